"""The Delta tables of captions: `captions`, which only grows, and `captions_current` beside it.

Both count commits under the application id `nightcap`. The count is the table's writer sequence:
whoever commits n+1 has seen n, so of two writers one wins and the other reads again. The current
table carries the count of the history it was made from, so an older view never replaces a newer.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake
from deltalake.exceptions import CommitFailedError, DeltaError

from pipeline.errors import ObjectUnavailable, PublishConflict, SettingsError
from pipeline.objects import SOURCE_CHANGED

APPLICATION = "nightcap"
CAPTIONED = "captioned"
QUARANTINED = "quarantined"
MODEL = "model"
HUMAN = "human"

SCHEMA = pa.schema(
    [
        pa.field("image", pa.string(), nullable=False),
        pa.field("etag", pa.string(), nullable=False),
        pa.field("sha256", pa.string()),
        pa.field("status", pa.string(), nullable=False),
        pa.field("reason", pa.string()),
        pa.field("caption", pa.string()),
        pa.field("alternatives", pa.list_(pa.field("element", pa.string()))),
        pa.field("score", pa.float64()),
        pa.field("source", pa.string(), nullable=False),
        pa.field("model_name", pa.string()),
        pa.field("model_version", pa.string()),
        pa.field("engine", pa.string()),
        pa.field("night", pa.string()),
        pa.field("run", pa.string()),
        pa.field("captioned_at", pa.timestamp("us", "UTC"), nullable=False),
        pa.field("withdrawn", pa.bool_(), nullable=False),
        pa.field("width", pa.int32()),
        pa.field("height", pa.int32()),
        pa.field("flags", pa.list_(pa.field("element", pa.string()))),
    ]
)

_ATTEMPTS = 30
_IDENTITY = ["image", "etag", "model_version"]
_FINAL = (pc.field("status") == CAPTIONED) | (pc.field("reason") != SOURCE_CHANGED)
_USABLE = (pc.field("status") == CAPTIONED) & ~pc.field("withdrawn")


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
            raise SettingsError(f"table {str(uri)!r} is not supported yet; name a local folder by its path")
        self.uri = str(Path(uri).absolute())
        self.current_uri = f"{self.uri}_current"

    def version(self) -> int:
        """How many commits Nightcap has made; 0 when there is no table."""
        table = _find(self.uri)
        return _sequence(table) if table else 0

    def known(self) -> pa.Table:
        """What needs no caption any more: string columns `image` and `etag`.

        Captioned, or quarantined for a reason that will not pass while the etag stays.
        """
        return self._read(_FINAL, ["image", "etag"])

    def run_of(self, night: str) -> str | None:
        """The run that was published as a night; None if none was."""
        runs = self._read(pc.field("night") == night, ["run"])["run"]
        return str(runs[0]) if len(runs) else None

    def rows(self, night: str, run: str) -> pa.Table:
        """What one run published, with `SCHEMA`."""
        return self._read((pc.field("night") == night) & (pc.field("run") == run), SCHEMA.names)

    def append(self, rows: pa.Table, expected: int) -> int:
        """Commit rows once, and tell how many were.

        If the sequence is no longer `expected`, rows whose (image, etag, model_version) is there by
        now are dropped first; so to append the same rows again adds none.

        Args:
            rows: with `SCHEMA`.
            expected: the sequence that the caller's plan has read.

        Raises:
            PublishConflict: others kept committing first.
        """
        if not len(rows):
            return 0
        with _reaching(self.uri):
            for _ in range(_ATTEMPTS):
                table = _open(self.uri)
                sequence = _sequence(table)
                if sequence != expected:
                    rows = _without(rows, table)
                if not len(rows) or _commit(table, rows, "append", sequence + 1):
                    return len(rows)
                expected = -1  # somebody came first
        raise PublishConflict(f"table {self.uri}: {_ATTEMPTS} commits lost against other writers; publish again later")

    def write_current(self) -> None:
        """Rewrite the current table whole: an image's human caption if any, else its newest not withdrawn.

        Nothing is written if the current table was made from this state of the history or a later.

        Raises:
            PublishConflict: others kept committing first.
        """
        with _reaching(self.current_uri):
            for _ in range(_ATTEMPTS):
                history = _find(self.uri)
                if history is None:
                    return
                current, sequence = _open(self.current_uri), _sequence(history)
                if _sequence(current) >= sequence or _commit(current, _newest(history), "overwrite", sequence):
                    return
        raise PublishConflict(f"table {self.current_uri}: {_ATTEMPTS} commits lost against others; publish again later")

    def _read(self, condition: ds.Expression, columns: list[str]) -> pa.Table:
        with _reaching(self.uri):
            table = _find(self.uri)
            if table is None:
                return SCHEMA.empty_table().select(columns)
            return table.to_pyarrow_dataset().to_table(columns=columns, filter=condition)


@contextmanager
def _reaching(uri: str) -> Iterator[None]:
    try:
        yield
    except (DeltaError, OSError) as error:
        raise ObjectUnavailable(f"table {uri}: {' '.join(str(error).split())}") from error


def _find(uri: str) -> DeltaTable | None:
    if not DeltaTable.is_deltatable(uri):
        return None
    table = DeltaTable(uri)
    missing = set(SCHEMA.names) - {field.name for field in table.schema().fields}
    if missing:
        raise SettingsError(f"table {uri} lacks the columns {', '.join(sorted(missing))}; name a table of captions")
    return table


def _open(uri: str) -> DeltaTable:
    """The table, created if need be; of several creators at once one succeeds."""
    try:
        return _find(uri) or DeltaTable.create(uri, SCHEMA, mode="ignore", name=Path(uri).name)
    except DeltaError:
        return DeltaTable(uri)


def _sequence(table: DeltaTable) -> int:
    return table.transaction_version(APPLICATION) or 0


def _commit(table: DeltaTable, rows: pa.Table | pa.RecordBatchReader, mode: str, sequence: int) -> bool:
    """Whether the rows were committed; False when somebody else committed since `table` was read."""
    properties = CommitProperties(app_transactions=[Transaction(APPLICATION, sequence)])
    try:
        write_deltalake(table, rows, mode=mode, commit_properties=properties)
    except CommitFailedError:
        return False
    return True


def _without(rows: pa.Table, table: DeltaTable) -> pa.Table:
    """The rows whose identity is not in the table."""
    same_images = pc.field("image").isin(rows["image"].combine_chunks())
    there = table.to_pyarrow_dataset().to_table(columns=_IDENTITY, filter=same_images)
    taken = set(zip(*(there[name].to_pylist() for name in _IDENTITY), strict=True))
    identities = zip(*(rows[name].to_pylist() for name in _IDENTITY), strict=True)
    return rows.filter(pa.array([identity not in taken for identity in identities], pa.bool_()))


def _newest(history: DeltaTable) -> pa.RecordBatchReader:
    """One row an image, in the history's order; only the keys of all rows are in memory at once."""
    dataset = history.to_pyarrow_dataset()
    keep = _chosen(dataset.to_table(columns=["image", "source", "captioned_at"], filter=_USABLE))

    def batches() -> Iterator[pa.RecordBatch]:
        start = 0
        for batch in dataset.to_batches(filter=_USABLE):
            yield batch.filter(pa.array(keep[start : start + len(batch)]))
            start += len(batch)

    return pa.RecordBatchReader.from_batches(dataset.schema, batches())


def _chosen(keys: pa.Table) -> np.ndarray:
    """bool [rows]: whether a row is its image's first by (human, newest)."""
    keys = keys.append_column("human", pc.equal(keys["source"], HUMAN))
    order = [("image", "ascending"), ("human", "descending"), ("captioned_at", "descending")]
    ranked = pc.sort_indices(keys, sort_keys=order).to_numpy()
    images = pc.rank(keys["image"], tiebreaker="dense").to_numpy()[ranked]
    keep = np.zeros(len(keys), bool)
    keep[ranked[np.r_[True, images[1:] != images[:-1]][: len(ranked)]]] = True
    return keep
