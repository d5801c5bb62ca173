"""The history of captions: what nights ask of it, and how they add to it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, Self

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
from deltalake import DeltaTable

from pipeline.core.errors import PublishConflict, SettingsError
from pipeline.core.reasons import SOURCE_CHANGED
from pipeline.storage.tables.commits import batches_of, commit, dataset_of, find, open_table, reaching, sequence_of
from pipeline.storage.tables.current import current_rows
from pipeline.storage.tables.replay import Replay, again
from pipeline.storage.tables.schema import CAPTIONED, FINAL, HUMAN, QUARANTINED, SCHEMA, USABLE, one_of

Policy = Literal["new", "older_version", "everything"]

ATTEMPTS = 30
IMAGE = ("image", "etag")
IMAGE_AND_VERSION = (*IMAGE, "model_name", "model_version")


class Rows(Protocol):
    """Rows with `SCHEMA` that can be read again and again, such as a `pa.Table` or a dataset of files."""

    def to_batches(self) -> Iterable[pa.RecordBatch]:
        """The rows from the first on."""
        ...


class CaptionTable:
    """The captions under one local path, and the current ones under `<path>_current`.

    A table that does not exist yet reads as empty; the first append creates it. Every method
    raises ObjectUnavailable when the disk fails, and SettingsError when the path holds a table
    that is not one of captions.
    """

    def __init__(self, uri: str | Path) -> None:
        """Name a table; nothing is read yet.

        Raises:
            SettingsError: the address is no local path.
        """
        if "://" in str(uri):
            raise SettingsError(
                f"table {str(uri)!r} is no local path; name a folder on a file system (see docs/decisions/0027)"
            )
        self.uri = str(Path(uri).absolute())
        self.current_uri = f"{self.uri}_current"

    def version(self) -> int:
        """How many commits Nightcap has made; 0 when there is no table."""
        with reaching(self.uri):
            table = find(self.uri)
            return sequence_of(table) if table else 0

    def known(self, policy: Policy = "new", model: tuple[str, str] = ("", "")) -> Iterator[pa.RecordBatch]:
        """What needs no caption, as batches of string columns `image` and `etag`; some may come twice.

        Args:
            policy: `new` knows what is captioned, or quarantined for a reason that will not pass while
                the etag stays; `older_version` does not know what only an older version of the model, or
                another model, has captioned; `everything` knows only what this very version has done.
            model: name and version of the pinned model; `new` does not ask for it.
        """
        columns = [*IMAGE, "status", "source", "model_name", "model_version"]
        for batch in self.batches(FINAL, columns):
            keep = None if policy == "new" else _done(batch, model, policy)
            yield (batch if keep is None else batch.filter(keep)).select(list(IMAGE))

    def again(self, replay: Replay) -> Iterator[pa.RecordBatch]:
        """What a replay sends through once more, as batches of string columns `image` and `etag`."""
        with reaching(self.uri):
            table = find(self.uri)
            if table is not None:
                yield from again(dataset_of(table), replay)

    def run_of(self, night: str) -> str | None:
        """The run that was published as a night; None if none was."""
        for batch in self.batches(pc.field("night") == night, ["run"]):
            if len(batch):
                return str(batch["run"][0])
        return None

    def count(self, night: str, run: str) -> int:
        """How many rows one run published."""
        return sum(len(batch) for batch in self.published(night, run, ["image"]))

    def rows(self, night: str, run: str) -> pa.Table:
        """What one run published, with `SCHEMA`."""
        return pa.Table.from_batches(self.published(night, run), SCHEMA)

    def published(self, night: str, run: str, columns: list[str] | None = None) -> Iterator[pa.RecordBatch]:
        """What one run published, few rows in memory at once."""
        condition = (pc.field("night") == night) & (pc.field("run") == run)
        return self.batches(condition, columns or SCHEMA.names)

    def humans(self) -> dict[str, str]:
        """What people wrote, by image: the newest caption of each, unless it was withdrawn."""
        found: dict[str, tuple[int, str]] = {}
        columns = ["image", "captioned_at", "caption"]
        for batch in self.batches(USABLE & (pc.field("source") == HUMAN), columns):
            times = batch["captioned_at"].cast(pa.int64()).to_pylist()
            for image, time, text in zip(batch["image"].to_pylist(), times, batch["caption"].to_pylist(), strict=True):
                found[image] = max(found.get(image, (time, text)), (time, text), key=lambda each: each[0])
        return {image: text for image, (_, text) in found.items()}

    def said(self, images: Collection[str]) -> dict[str, frozenset[str]]:
        """Every caption that some images ever had, whoever wrote it, withdrawn or not."""
        found: dict[str, set[str]] = {}
        theirs = (pc.field("status") == CAPTIONED) & one_of("image", images)
        for batch in self.batches(theirs, ["image", "caption"]):
            for image, text in zip(batch["image"].to_pylist(), batch["caption"].to_pylist(), strict=True):
                found.setdefault(image, set()).add(text)
        return {image: frozenset(texts) for image, texts in found.items()}

    def current(self, images: Collection[str]) -> dict[str, str]:
        """The current captions of some images, those that have one."""
        columns = ["image", "caption"]
        with reaching(self.current_uri):
            table = find(self.current_uri)
            if table is None:
                return {}
            found = batches_of(dataset_of(table), one_of("image", images), columns)
            return {row["image"]: row["caption"] for batch in found for row in batch.to_pylist()}

    def batches(self, condition: ds.Expression, columns: list[str]) -> Iterator[pa.RecordBatch]:
        """Rows that meet a condition, in the table's order, few in memory at once."""
        with reaching(self.uri):
            table = find(self.uri)
            if table is not None:
                yield from batches_of(dataset_of(table), condition, columns)

    def append(self, rows: Rows, expected: int, key: tuple[str, ...] = IMAGE_AND_VERSION) -> int:
        """Commit rows once, and tell how many were.

        If the sequence is no longer `expected`, rows are dropped whose key joined since in a row as
        good: in a final one, or in any if theirs is not final either. So to append the same rows again
        adds none, and what another could not read takes no caption away.

        Args:
            rows: read once for every try at committing them.
            expected: the sequence that the caller's plan has read.
            key: columns that no two rows share: `IMAGE`, or `IMAGE_AND_VERSION` where an image may
                be captioned by several versions.

        Raises:
            PublishConflict: others kept committing first.
        """

        def fresh(table: DeltaTable) -> Iterator[pa.RecordBatch]:
            moved = sequence_of(table) != expected
            taken = _Taken.since(table, expected, key) if moved else None
            return (taken.without(batch) if taken else batch for batch in rows.to_batches())

        if not any(len(batch) for batch in rows.to_batches()):
            return 0
        return self._change(fresh, "append")

    def rewrite(self, change: Callable[[pa.RecordBatch], pa.RecordBatch]) -> int:
        """Commit every row anew as `change` leaves it, in few files, and tell how many there are.

        Raises:
            PublishConflict: others kept committing first.
        """
        with reaching(self.uri):
            if find(self.uri) is None:
                return 0
        return self._change(lambda table: map(change, batches_of(dataset_of(table))), "overwrite")

    def _change(
        self, batches: Callable[[DeltaTable], Iterator[pa.RecordBatch]], mode: Literal["append", "overwrite"]
    ) -> int:
        with reaching(self.uri):
            for _ in range(ATTEMPTS):
                table = open_table(self.uri)
                done = commit(self.uri, table, batches(table), mode, sequence_of(table) + 1)
                if done is not None:
                    return done
        raise PublishConflict(f"table {self.uri}: {ATTEMPTS} commits lost against other writers; try again later")

    def write_current(self) -> None:
        """Rewrite the current table whole: an image's human caption if any, else its newest not withdrawn.

        It takes over the sequence of the history it was made from, so an older view never replaces a newer:
        nothing is written if it was made from this state of the history or a later.

        Raises:
            PublishConflict: others kept committing first.
        """
        with reaching(self.current_uri):
            for _ in range(ATTEMPTS):
                history = find(self.uri)
                if history is None:
                    return
                current, sequence = open_table(self.current_uri), sequence_of(history)
                if sequence_of(current) >= sequence:
                    return
                rows = current_rows(dataset_of(history))
                if commit(self.current_uri, current, rows, "overwrite", sequence) is not None:
                    return
        raise PublishConflict(f"table {self.current_uri}: {ATTEMPTS} commits lost against others; publish again later")


def _done(batch: pa.RecordBatch, model: tuple[str, str], policy: Policy) -> pa.Array:
    """bool [rows]: whether a final row spares its image this model."""
    name, version = model
    ours = pc.fill_null(pc.equal(batch["model_name"], name), False)
    if policy == "everything":
        return pc.and_(ours, pc.fill_null(pc.equal(batch["model_version"], version), False))
    versions = [each for each in batch["model_version"].unique().to_pylist() if not _is_older(each, version)]
    recent = pc.and_(ours, pc.is_in(batch["model_version"], value_set=pa.array(versions, pa.string())))
    others = pc.or_(pc.equal(batch["status"], QUARANTINED), pc.equal(batch["source"], HUMAN))
    return pc.or_(recent, others)


def _is_older(version: str | None, than: str) -> bool:
    """By number; a bundle's digest has no age, so another one counts as older."""
    if version and version.isdecimal() and than.isdecimal():
        return int(version) < int(than)
    return version != than


@dataclass(frozen=True)
class _Taken:
    """Hashes of the keys of what joined after a sequence.

    Attributes:
        key: columns.
        by_final: keys of rows that settle an image.
        by_any: keys of all rows.
    """

    key: tuple[str, ...]
    by_final: frozenset[int]
    by_any: frozenset[int]

    @classmethod
    def since(cls, table: DeltaTable, sequence: int, key: tuple[str, ...]) -> Self:
        dataset, joined = dataset_of(table), pc.field("sequence") > sequence
        by_final, by_any = (
            frozenset(each for batch in batches_of(dataset, condition, list(key)) for each in _hashed(batch, key))
            for condition in (joined & FINAL, joined)
        )
        return cls(key, by_final, by_any)

    def without(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The rows whose keys are free."""
        free = [
            identity not in (self.by_any if reason == SOURCE_CHANGED else self.by_final)
            for identity, reason in zip(_hashed(batch, self.key), batch["reason"].to_pylist(), strict=True)
        ]
        return batch.filter(pa.array(free, pa.bool_()))


def _hashed(batch: pa.RecordBatch, key: tuple[str, ...]) -> Iterator[int]:
    return map(hash, zip(*(batch[name].to_pylist() for name in key), strict=True))
