"""The table of captions: queries of the history, appends to it, and the current captions beside it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal, Protocol, Self

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
from deltalake import DeltaTable

from pipeline.core.errors import ObjectUnavailable, Permanent
from pipeline.core.reasons import OF_THE_MOMENT, SOURCE_CHANGED
from pipeline.storage.tables.commits import (
    TableChange,
    batches_of,
    commit,
    dataset_of,
    find_table,
    names_of,
    open_table,
    rows_in,
    sequence_of,
)
from pipeline.storage.tables.current import best_rows, newest_first, refresh
from pipeline.storage.tables.delta_log import local_table, table_errors
from pipeline.storage.tables.passing_troubles import PassingTroubles
from pipeline.storage.tables.replay import Replay, replayed_images
from pipeline.storage.tables.schema import CAPTIONED, FINAL, HUMAN, QUARANTINED, SCHEMA, USABLE, one_of

log = logging.getLogger(__name__)

Policy = Literal["new", "older_version", "everything"]

ATTEMPTS = 30
_ALL = pc.scalar(True)
IMAGE = ("image", "etag")
IMAGE_AND_VERSION = (*IMAGE, "model_name", "model_version")


class Rows(Protocol):
    """Rows with `SCHEMA` that can be read repeatedly, such as a `pa.Table` or a dataset of files."""

    def to_batches(self) -> Iterable[pa.RecordBatch]:
        """All rows."""


class CaptionTable:
    """The captions under one local path, and the current ones under `<path>_current`.

    A missing table reads as empty; the first append creates it. Every method raises ObjectUnavailable when the disk
    fails, and SettingsError when the path holds a table that is not one of captions.
    """

    def __init__(self, uri: str | Path) -> None:
        """Name a table by a local path; nothing is read yet."""
        self.uri = local_table(uri)
        self.current_uri = f"{self.uri}_current"

    def version(self) -> int:
        """The number of Nightcap's commits; 0 without a table."""
        with table_errors(self.uri):
            table = find_table(self.uri)
            return sequence_of(table) if table else 0

    def is_there(self) -> bool:
        """Whether a table was ever committed to, even if its rows were all forgotten since."""
        return bool(self.version() or self.size())

    def size(self) -> int:
        """The number of rows, by the log; 0 without a table."""
        with table_errors(self.uri):
            table = find_table(self.uri)
            return rows_in(table) if table else 0

    def passing_troubles(self, now: datetime) -> PassingTroubles:
        """Images quarantined for reasons of the moment alone that come again, at `now` or later."""
        columns = [*IMAGE, "captioned_at"]
        batches = self.batches((pc.field("status") == QUARANTINED) & one_of("reason", OF_THE_MOMENT), columns)
        return PassingTroubles.of(batches, now)

    def processed(self, policy: Policy = "new", model: tuple[str, str] = ("", "")) -> Iterator[pa.RecordBatch]:
        """Images that need no caption, as batches of string columns `image` and `etag`; some may come twice.

        `new` takes images that are captioned, or quarantined for a reason that stays while the etag does, and not for
        one of the moment, whose images `passing_troubles` tells;
        `older_version` leaves out those that only an older version of the pinned model, or another model, captioned;
        `everything` takes only those that this very version processed.
        """
        final = FINAL & ~one_of("reason", OF_THE_MOMENT) if policy == "new" else FINAL
        for batch in self.batches(final, [*IMAGE_AND_VERSION, "status", "source"]):
            kept = batch if policy == "new" else batch.filter(_is_done(batch, model, policy))
            yield kept.select(list(IMAGE))

    def replayed(self, replay: Replay) -> Iterator[pa.RecordBatch]:
        """The images of a replay, as batches of string columns `image` and `etag`."""
        with table_errors(self.uri):
            table = find_table(self.uri)
            if table is not None:
                yield from replayed_images(dataset_of(table), replay)

    def run_of(self, night: str) -> str | None:
        """The run that was published as a night, if any."""
        for batch in self.batches(pc.field("night") == night, ["run"]):
            if len(batch):
                return str(batch["run"][0])
        return None

    def count(self, night: str, run: str) -> int:
        """The number of rows that one run published."""
        return sum(len(batch) for batch in self.published(night, run, ["image"]))

    def rows(self, night: str, run: str) -> pa.Table:
        """The rows that one run published, with `SCHEMA`."""
        return pa.Table.from_batches(self.published(night, run), SCHEMA)

    def published(
        self, night: str, run: str, columns: list[str] | None = None, images: Collection[str] | None = None
    ) -> Iterator[pa.RecordBatch]:
        """The rows that one run published, of all or some images, few in memory at once."""
        condition = (pc.field("night") == night) & (pc.field("run") == run) & _of(images)
        return self.batches(condition, columns or SCHEMA.names)

    def human_captions(self, images: Collection[str] | None = None) -> dict[str, str]:
        """The newest caption that a person wrote, by image, of all or some, unless it was withdrawn."""
        return self._first(USABLE & (pc.field("source") == HUMAN) & _of(images))

    def all_captions(self, images: Collection[str]) -> dict[str, frozenset[str]]:
        """Every caption that some images ever had, by models and people, withdrawn or not."""
        captions: dict[str, set[str]] = {}
        condition = (pc.field("status") == CAPTIONED) & one_of("image", images)
        for batch in self.batches(condition, ["image", "caption"]):
            for image, text in zip(batch["image"].to_pylist(), batch["caption"].to_pylist(), strict=True):
                captions.setdefault(image, set()).add(text)
        return {image: frozenset(texts) for image, texts in captions.items()}

    def current(self, images: Collection[str]) -> dict[str, str]:
        """The current captions of some images, those that have one, by the history: it alone is never behind."""
        return self._first(USABLE & one_of("image", images))

    def _first(self, condition: ds.Expression) -> dict[str, str]:
        with table_errors(self.uri):
            table = find_table(self.uri)
            if table is None:
                return {}
            rows = best_rows(dataset_of(table), condition, ["image", "caption"])
            return dict(zip(rows["image"].to_pylist(), rows["caption"].to_pylist(), strict=True))

    def newest_first(self, condition: ds.Expression, columns: list[str]) -> pa.Table:
        """Rows that meet a condition, the newest first as the current captions take them; all of them are in memory."""
        with table_errors(self.uri):
            table = find_table(self.uri)
            return newest_first(dataset_of(table), condition, columns) if table else pa.table({})

    def current_rows(self, condition: ds.Expression, columns: list[str]) -> Iterator[pa.RecordBatch]:
        """Rows of the current table, few in memory at once; it is made to fit the history first, if it may be written."""
        try:
            self.write_current()
        except ObjectUnavailable as error:
            log.warning("the current captions are read as they are: %s", error)
        return CaptionTable(self.current_uri).batches(condition, columns)

    def images(self, condition: ds.Expression = _ALL) -> Iterator[str]:
        """The images of rows that meet a condition, some several times, few in memory at once."""
        return (image for batch in self.batches(condition, ["image"]) for image in batch["image"].to_pylist())

    def batches(self, condition: ds.Expression, columns: list[str]) -> Iterator[pa.RecordBatch]:
        """Rows that meet a condition, in the table's order, few in memory at once."""
        with table_errors(self.uri):
            table = find_table(self.uri)
            if table is not None:
                yield from batches_of(dataset_of(table), condition, columns)

    def append(self, rows: Rows, expected: int, key: tuple[str, ...] = IMAGE_AND_VERSION) -> int:
        """Commit rows once; returns how many.

        If the sequence is no longer `expected`, a row is dropped if its key was committed since: in a final row, or
        in any row if this one is not final either. So appending the same rows again adds none, and a row for an image
        that could not be read never replaces a caption.

        The caller's plan has read the sequence `expected`. The rows are read once for every try, and no two share the
        columns of `key`. Raises Permanent if others kept committing first.
        """

        def fresh(table: DeltaTable) -> Iterator[pa.RecordBatch]:
            if sequence_of(table) == expected:
                return iter(rows.to_batches())
            committed = _CommittedKeys.since(table, expected, key)
            return map(committed.without, rows.to_batches())

        if not any(len(batch) for batch in rows.to_batches()):
            return 0
        return self._change(fresh, is_append=True)

    def rewrite(self, change: Callable[[pa.RecordBatch], pa.RecordBatch]) -> int:
        """Commit every row as `change` leaves it, in few files; returns how many. Raises Permanent as `append`."""
        with table_errors(self.uri):
            if find_table(self.uri) is None:
                return 0
        return self._change(lambda table: map(change, batches_of(dataset_of(table))), is_append=False)

    def _change(self, batches: Callable[[DeltaTable], Iterator[pa.RecordBatch]], is_append: bool) -> int:
        with table_errors(self.uri):
            for _ in range(ATTEMPTS):
                table = open_table(self.uri)
                removed, number = () if is_append else names_of(table), sequence_of(table) + 1
                change = TableChange(batches(table), removed, number, number, is_append)
                rows = commit(self.uri, table, change)
                if rows is not None:
                    return rows
        raise Permanent(f"table {self.uri}: {ATTEMPTS} commits lost against other writers; try again later")

    def write_current(self) -> None:
        """Make the current table fit the history: an image's human caption if any, else its newest not withdrawn.

        Only files with rows that changed are written anew, all if the table was not made from this history: it was
        restored, lost its end, or somebody else wrote to it. Nothing is written if both fit. Raises Permanent as
        `append`.
        """
        with table_errors(self.current_uri):
            for _ in range(ATTEMPTS):
                if refresh(self.current_uri, lambda: find_table(self.uri)):
                    return
        raise Permanent(f"table {self.current_uri}: {ATTEMPTS} commits lost against others; publish again later")


def _of(images: Collection[str] | None) -> ds.Expression:
    return _ALL if images is None else one_of("image", images)


def _is_done(batch: pa.RecordBatch, model: tuple[str, str], policy: Policy) -> pa.Array:
    """bool [rows]: whether a final row means that this model need not caption its image."""
    name, version = model
    is_ours = pc.fill_null(pc.equal(batch["model_name"], name), False)
    if policy == "everything":
        return pc.and_(is_ours, pc.fill_null(pc.equal(batch["model_version"], version), False))
    versions = [other for other in batch["model_version"].unique().to_pylist() if not _is_older(other, version)]
    recent = pc.and_(is_ours, pc.is_in(batch["model_version"], value_set=pa.array(versions, pa.string())))
    others = pc.or_(pc.equal(batch["status"], QUARANTINED), pc.equal(batch["source"], HUMAN))
    return pc.or_(recent, others)


def _is_older(version: str | None, than: str) -> bool:
    """Compare version numbers; a bundle's digest has no age, so another digest counts as older."""
    if version and version.isdecimal() and than.isdecimal():
        return int(version) < int(than)
    return version != than


@dataclass(frozen=True)
class _CommittedKeys:
    """Hashes of the keys of rows that were committed after a sequence."""

    key: tuple[str, ...]
    of_final_rows: frozenset[int]
    of_all_rows: frozenset[int]

    @classmethod
    def since(cls, table: DeltaTable, sequence: int, key: tuple[str, ...]) -> Self:
        dataset, is_newer = dataset_of(table), pc.field("sequence") > sequence
        of_final_rows, of_all_rows = (
            frozenset(hashed for batch in batches_of(dataset, condition, list(key)) for hashed in _hashes(batch, key))
            for condition in (is_newer & FINAL, is_newer)
        )
        return cls(key, of_final_rows, of_all_rows)

    def without(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The rows whose keys were not committed."""
        is_new = [
            hashed not in (self.of_all_rows if reason == SOURCE_CHANGED else self.of_final_rows)
            for hashed, reason in zip(_hashes(batch, self.key), batch["reason"].to_pylist(), strict=True)
        ]
        return batch.filter(pa.array(is_new, pa.bool_()))


def _hashes(batch: pa.RecordBatch, key: tuple[str, ...]) -> Iterator[int]:
    return map(hash, zip(*(batch[name].to_pylist() for name in key), strict=True))
