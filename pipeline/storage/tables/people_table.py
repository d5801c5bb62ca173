"""A small Delta table of what people say of images: rows are added, forgotten, and kept in few files."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar, Self

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from pipeline.storage.tables.commits import TableChange, commit, names_of
from pipeline.storage.tables.delta_log import checkpoint, folder_of, local_table, opened, sync_log, table_errors
from pipeline.storage.tables.orphans import AT_WORK_DAYS, has_dead_writer, remove_orphans

log = logging.getLogger(__name__)

# Minimum and maximum values of names of images and people have no place in the log.
_CONFIGURATION = {"delta.dataSkippingNumIndexedCols": "0", "delta.checkpointInterval": "10"}


class PeopleTable:
    """Rows under one local path; a missing table is empty. Methods raise ObjectUnavailable if the disk fails."""

    schema: ClassVar[pa.Schema]  # has a column `image`
    folder: ClassVar[str]  # in a store

    def __init__(self, uri: str | Path) -> None:
        """Name a table by a local path; nothing is read yet."""
        self.uri = local_table(uri)

    @classmethod
    def of(cls, store: Path) -> Self:
        """The table of a store, which need not exist yet."""
        return cls(store / cls.folder)

    @classmethod
    def open_at(cls, uri: str) -> DeltaTable:
        """The table of a path for writing, created if missing; many processes may do so at once."""
        if (table := opened(uri)) is None:
            with suppress(DeltaError):  # somebody else has made it meanwhile
                DeltaTable.create(uri, cls.schema, mode="ignore", configuration=_CONFIGURATION)
            sync_log(uri)
        return table or DeltaTable(uri)

    def append(self, said: Iterable[Any]) -> int:
        """Add records whose fields are the columns; returns how many. Several people may add some at once."""
        return self.append_rows([vars(each) for each in said])

    def append_rows(self, rows: list[dict[str, Any]]) -> int:
        """As `append`, for rows."""
        if rows:
            with table_errors(self.uri):
                while not _commit(self.open_at(self.uri), pa.Table.from_pylist(rows, self.schema)):
                    log.info("%s: somebody else wrote first; once more", self.uri)
        return len(rows)

    def forget(self, images: Collection[str]) -> int:
        """Remove some images from all versions of the table; returns how many rows."""
        with table_errors(self.uri):
            named = pa.array(sorted(images), pa.string())
            return sum(
                iter(lambda: self.remove(lambda rows: pc.is_in(rows["image"], value_set=named), for_good=True), 0)
            )

    def remove(self, unwanted: Callable[[pa.Table], Any], for_good: bool = False) -> int:
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
        """Rewrite the table in few files; returns how many fewer. People may add rows meanwhile."""
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
            _commit(table, self.schema.empty_table())
        table = DeltaTable(self.uri)
        return remove_orphans(table, table.version(), days)

    def rows(self) -> list[dict[str, Any]]:
        """All rows, in no order."""
        with table_errors(self.uri):
            table = opened(self.uri)
            return [] if table is None else list(table.to_pyarrow_table().to_pylist())


def _commit(table: DeltaTable, rows: pa.Table, removed: Collection[str] = ()) -> bool:
    """Commit rows, in place of some files; False if somebody else committed first."""
    number = table.version() + 1
    change = TableChange(rows.to_batches(), removed, number, number)
    return commit(str(folder_of(table)), table, change) is not None
