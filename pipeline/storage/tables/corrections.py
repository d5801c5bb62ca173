"""The Delta table of corrections: captions that people wrote where a model was wrong."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from pipeline.core.errors import SettingsError
from pipeline.storage.tables.commits import TableChange, commit, names_of
from pipeline.storage.tables.delta_log import (
    checkpoint,
    folder_of,
    local_table,
    opened,
    sync_log,
    table_errors,
)
from pipeline.storage.tables.orphans import AT_WORK_DAYS, has_dead_writer, remove_orphans

log = logging.getLogger(__name__)

CORRECTED = "corrected:"  # begins a snapshot's name of an image that people described after a model had
_LONGEST = 2_000  # characters

_SCHEMA = pa.schema(
    [
        pa.field("image", pa.string(), nullable=False),
        pa.field("caption", pa.string(), nullable=False),
        pa.field("who", pa.string(), nullable=False),
        pa.field("corrected_at", pa.timestamp("us", "UTC"), nullable=False),
    ]
)
# Minimum and maximum values of names of images and people have no place in the log.
_CONFIGURATION = {"delta.dataSkippingNumIndexedCols": "0", "delta.checkpointInterval": "10"}


@dataclass(frozen=True)
class Correction:
    """A person's caption of an image."""

    image: str  # as the table of captions names it
    caption: str
    who: str  # a name or number of the person
    corrected_at: datetime  # with a time zone

    def __post_init__(self) -> None:
        for name, text in (("image", self.image), ("caption", self.caption), ("who", self.who)):
            if not text.strip() or len(text) > _LONGEST:
                raise SettingsError(f"{name} of a correction has {len(text)} characters; give 1 to {_LONGEST}")
        if self.corrected_at.tzinfo is None:
            raise SettingsError(f"corrected_at is {self.corrected_at}, which has no time zone; add one, such as +00:00")


class CorrectionTable:
    """Corrections under one local path; a missing table is empty. Methods raise ObjectUnavailable if the disk fails."""

    def __init__(self, uri: str | Path) -> None:
        """Name a table by a local path; nothing is read yet."""
        self.uri = local_table(uri)

    def append(self, corrections: Iterable[Correction]) -> int:
        """Add corrections; returns how many. Several people may add some at once."""
        rows = [vars(each) for each in corrections]
        if rows:
            with table_errors(self.uri):
                while not _commit(open_corrections(self.uri), pa.Table.from_pylist(rows, _SCHEMA)):
                    log.info("%s: somebody else wrote first; once more", self.uri)
        return len(rows)

    def read(self) -> list[Correction]:
        """The newest caption of each person of each image, by image and person."""
        newest: dict[tuple[str, str], Correction] = {}
        for row in sorted(self._rows(), key=lambda each: each["corrected_at"]):
            try:
                newest[row["image"], row["who"]] = Correction(**{name: row[name] for name in _SCHEMA.names})
            except SettingsError as error:
                log.warning("%s: %s by %s is left out: %s", self.uri, row["image"], row["who"], error)
        return [newest[key] for key in sorted(newest)]

    def take_back(self, unwanted: Callable[[Correction], bool]) -> list[Correction]:
        """Remove and return the newest captions of people that are unwanted; older ones count again."""
        taken = [each for each in self.read() if unwanted(each)]
        gone = [vars(each) for each in taken]
        with table_errors(self.uri):
            while self._remove(lambda rows: pa.array([row in gone for row in rows.to_pylist()], pa.bool_())):
                pass
        return taken

    def forget(self, images: Collection[str]) -> int:
        """Remove some images from all versions of the table; returns how many rows."""
        with table_errors(self.uri):
            named = pa.array(sorted(images), pa.string())
            return sum(
                iter(lambda: self._remove(lambda rows: pc.is_in(rows["image"], value_set=named), for_good=True), 0)
            )

    def _remove(self, unwanted: Callable[[pa.Table], Any], for_good: bool = False) -> int:
        """Remove rows of a mask, unless somebody else has changed the table meanwhile; returns how many it had."""
        if (table := opened(self.uri)) is None:
            return 0
        rows = table.to_pyarrow_table()
        kept = rows.filter(pc.invert(unwanted(rows)))
        removed = len(rows) - len(kept)
        if removed and not _commit(table, kept, names_of(table)):
            return removed
        if for_good:
            self._sweep(0)
            table = DeltaTable(self.uri)
            table.vacuum(0, enforce_retention_duration=False, dry_run=False)
            checkpoint(table)
        return removed

    def compact(self) -> int:
        """Rewrite the table in few files; returns how many fewer. People may add corrections meanwhile."""
        with table_errors(self.uri):
            if (table := opened(self.uri)) is None:
                return 0
            files = names_of(table)
            is_less = len(files) > 1 and _commit(table, table.to_pyarrow_table(), files)
            return len(files) - 1 if is_less else 0

    def vacuum(self, keep_days: float) -> int:
        """Remove files that only versions older than some days need; returns how many."""
        with table_errors(self.uri):
            if opened(self.uri) is None:
                return 0
            swept = self._sweep(max(keep_days, AT_WORK_DAYS))
            gone = DeltaTable(self.uri).vacuum(round(keep_days * 24), enforce_retention_duration=False, dry_run=False)
            return swept + len(gone)

    def _sweep(self, days: float) -> int:
        """Remove what writers left that died, and what they began some days ago; one that was stopped writes again."""
        table = DeltaTable(self.uri)
        if has_dead_writer(table, table.version(), days):
            _commit(table, _SCHEMA.empty_table())
        table = DeltaTable(self.uri)
        return remove_orphans(table, table.version(), days)

    def _rows(self) -> list[dict[str, Any]]:
        with table_errors(self.uri):
            table = opened(self.uri)
            return [] if table is None else list(table.to_pyarrow_table().to_pylist())


def open_corrections(uri: str) -> DeltaTable:
    """The table for writing, created if missing; many processes may do so at once."""
    if (table := opened(uri)) is None:
        with suppress(DeltaError):  # somebody else has made it meanwhile
            DeltaTable.create(uri, _SCHEMA, mode="ignore", configuration=_CONFIGURATION)
        sync_log(uri)
    return table or DeltaTable(uri)


def _commit(table: DeltaTable, rows: pa.Table, removed: Collection[str] = ()) -> bool:
    """Commit rows, in place of some files; False if somebody else committed first."""
    number = table.version() + 1
    change = TableChange(rows.to_batches(), removed, number, number)
    return commit(str(folder_of(table)), table, change) is not None
