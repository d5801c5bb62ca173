"""A ready list of an input's objects, instead of listing it: Parquet or CSV, as S3 Inventory names the columns."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote_plus

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from pipeline.core.errors import SettingsError
from pipeline.core.reasons import NOT_LATEST, OTHER_TYPE, OUTSIDE_INPUT, UNUSABLE_ROW
from pipeline.storage.objects import Folder, Ignored, ObjectInfo, is_hidden, kind_of, printable
from pipeline.storage.objects.addresses import RETRY_DEADLINE_S
from pipeline.storage.objects.base import moment_of
from pipeline.storage.objects.s3 import SCHEME
from serving.planning.inventory import InventoryFile, files_of

_NAMES = {name: name for name in ("key", "etag", "size", "bucket")} | {
    "lastmodified": "modified",
    "lastmodifieddate": "modified",
    "islatest": "is_latest",
    "isdeletemarker": "is_delete_marker",
}
_TYPES = {
    **dict.fromkeys(("key", "etag", "bucket"), pa.string()),
    **dict.fromkeys(("is_latest", "is_delete_marker"), pa.bool_()),
    "size": pa.int64(),
    "modified": pa.timestamp("us", "UTC"),
}
_NEEDED = ("key", "etag", "size")
_UNDATED = datetime.fromtimestamp(0, UTC)


class Manifest:
    """A list of objects in a file, or in several that an S3 Inventory's manifest.json names.

    Columns, in any case and with or without underscores: `key` (in a bucket the whole key, else the path in the
    folder), `etag`, `size`; and if there are `last_modified` or `last_modified_date`, `bucket`, `is_latest` and
    `is_delete_marker`. Without times its own order stands for newest first.
    """

    def __init__(self, uri: str, folder: Folder, roots: Iterable[str], patience_s: float = RETRY_DEADLINE_S) -> None:
        """Open a manifest of a folder: a local path or `s3://bucket/key`, with all its files under a root."""
        self._uri, self._folder = uri, folder
        self._files = files_of(uri, roots, patience_s)
        self.ignored = Ignored()  # rows of the latest complete reading
        self.unlisted: list[str] = []  # a manifest is read whole or not at all

    def __iter__(self) -> Iterator[ObjectInfo]:
        """The objects, few in memory at once; SettingsError if a file is malformed or lacks a column."""
        self.ignored.clear()
        try:
            for file in self._files:
                for batch in _batches(file):
                    yield from self._objects(batch, file.is_encoded)
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"cannot read manifest {self._uri}: {' '.join(str(error).split())}") from error

    def _objects(self, batch: pa.RecordBatch, is_encoded: bool) -> Iterator[ObjectInfo]:
        for row in _rows(batch):
            if is_encoded and row["key"] is not None:
                row["key"] = unquote_plus(row["key"])
            name = None if row["key"] is None else self._inside(row["key"], row.get("bucket"))
            reason = self._why_ignored(name, row)
            if name is None or reason:
                self.ignored.add(reason or OUTSIDE_INPUT, printable(str(row["key"])))
            else:
                yield self._folder.info(name, row["etag"], row["size"], row.get("modified") or _UNDATED)

    def _why_ignored(self, name: str | None, row: dict[str, Any]) -> str | None:
        """Why a row is ignored; None if its object may be an image."""
        if row.get("is_latest") is False or row.get("is_delete_marker"):
            return NOT_LATEST
        if any(row[column] is None for column in _NEEDED):
            return UNUSABLE_ROW
        if not name or name.endswith("/"):
            return OUTSIDE_INPUT if name is None else OTHER_TYPE
        return OTHER_TYPE if kind_of(name) == "other" or is_hidden(name) else self._folder.exclusions.why(name)

    def _inside(self, key: str, bucket: str | None) -> str | None:
        if not self._folder.uri.startswith(SCHEME):
            return _plain(key)
        own, _, prefix = self._folder.uri[len(SCHEME) :].partition("/")
        prefix = f"{prefix}/" if prefix else ""
        return key[len(prefix) :] if bucket in {None, own} and key.startswith(prefix) else None


def _plain(path: str) -> str:
    """The only spelling of a path in a local folder; a path that leads out of it stays as it is, to be refused."""
    plain = posixpath.normpath(path)
    return path if plain == "." or plain.startswith(("/", "../")) or plain == ".." else plain


def _batches(file: InventoryFile) -> Iterator[pa.RecordBatch]:
    """A file's rows under our names and with our types."""
    batches: Iterable[pa.RecordBatch]
    if file.is_parquet:
        with pq.ParquetFile(file.open()) as table:
            columns = _columns(file.uri, table.schema_arrow.names)
            yield from _renamed(table.iter_batches(columns=list(columns)), columns)
        return
    columns = _columns(file.uri, list(file.columns or _header(file)))
    options = pacsv.ConvertOptions(include_columns=list(columns), column_types=dict.fromkeys(columns, pa.string()))
    with pacsv.open_csv(file.open(), pacsv.ReadOptions(column_names=file.columns), convert_options=options) as batches:
        yield from _renamed(batches, columns)


def _renamed(batches: Iterable[pa.RecordBatch], columns: dict[str, str]) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        made = {ours: _typed(batch[given], _TYPES[ours]) for given, ours in columns.items()}
        yield pa.RecordBatch.from_arrays(list(made.values()), names=list(made))


def _typed(column: pa.Array, wanted: pa.DataType) -> pa.Array:
    """A column as a type; one value that the type cannot hold becomes null, unless none fits."""
    if pa.types.is_timestamp(column.type) and pa.types.is_timestamp(wanted):
        return column.cast(pa.timestamp(column.type.unit, "UTC"), safe=False)
    text = pc.if_else(pc.equal(column, ""), None, column) if column.type == pa.string() else column
    try:
        return text.cast(wanted)
    except pa.ArrowInvalid:
        made = [_one(value, wanted) for value in text]
        if all(value is None for value in made):
            raise
        return pa.array(made, wanted)


def _one(value: pa.Scalar, wanted: pa.DataType) -> Any:
    try:
        return value.cast(wanted).as_py()
    except (pa.ArrowInvalid, ValueError, OverflowError):
        return None


def _rows(batch: pa.RecordBatch) -> list[dict[str, Any]]:
    """The rows of a batch, with times that Python can hold."""
    times = batch.schema.get_field_index("modified")
    if times < 0:
        return list(batch.to_pylist())
    column = batch.column(times)
    units = {"s": 1, "ms": 1e3, "us": 1e6, "ns": 1e9}[column.type.unit]
    moments = [None if time is None else moment_of(time / units) for time in column.cast(pa.int64()).to_pylist()]
    rows = batch.drop_columns(["modified"]).to_pylist()
    return [row | {"modified": moment} for row, moment in zip(rows, moments, strict=True)]


def _header(file: InventoryFile) -> list[str]:
    with pacsv.open_csv(file.open()) as batches:
        return list(batches.schema.names)


def _columns(uri: str, given: list[str]) -> dict[str, str]:
    """Our name of each column that is read, by the file's name."""
    columns = {name: _NAMES[plain] for name in given if (plain := name.lower().replace("_", "")) in _NAMES}
    missing = [name for name in _NEEDED if name not in columns.values()]
    if missing or len(set(columns.values())) < len(columns):
        raise SettingsError(
            f"manifest {uri} has the columns {', '.join(given)}; it needs each of key, etag and size once, and may have "
            f"last_modified"
        )
    return columns
