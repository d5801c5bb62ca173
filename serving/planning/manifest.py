"""A ready list of an input's objects, instead of listing it: Parquet or CSV, as S3 Inventory names the columns."""

from __future__ import annotations

import logging
import posixpath
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import unquote_plus

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.core.errors import SettingsError
from pipeline.core.reasons import NOT_LATEST, OTHER_TYPE, OUTSIDE_INPUT, UNUSABLE_ROW
from pipeline.core.text_files import csv_table
from pipeline.storage.objects import Folder, Ignored, ObjectInfo, is_hidden, kind_of, printable
from pipeline.storage.objects.addresses import RETRY_DEADLINE_S
from pipeline.storage.objects.base import moment_of, read_moment
from pipeline.storage.objects.s3_address import SCHEME
from serving.planning.inventory import InventoryFile, files_of

log = logging.getLogger(__name__)

_NAMES: Final = {name: name for name in ("key", "etag", "size", "bucket")} | {
    "lastmodified": "modified",
    "lastmodifieddate": "modified",
    "islatest": "is_latest",
    "isdeletemarker": "is_delete_marker",
}
_NEEDED: Final = ("key", "etag", "size")
_NEEDS: Final = "a manifest lists key, etag and size, and may have last_modified"
_NULL: Final = frozenset({"", "null", "\\n", "none", "nan", "n/a"})  # in lower case, as databases and tables write it
_WHOLE: Final = re.compile(r"\s*\+?(\d{1,18})(?:\.0*)?\s*")
_UNDATED: Final = datetime.fromtimestamp(0, UTC)
_Row = dict[str, Any]  # by our names of the columns


class Manifest:
    """A list of objects in a file, or in several that an S3 Inventory's manifest.json names.

    Columns, in any case and with or without underscores: `key` (in a bucket the whole key, else the path in the
    folder), `etag`, `size`; and if there are `last_modified` or `last_modified_date` (ISO 8601; UTC without a zone),
    `bucket`, `is_latest` and `is_delete_marker`. Without times its own order stands for newest first.
    """

    def __init__(self, uri: str, folder: Folder, roots: Iterable[str], patience_s: float = RETRY_DEADLINE_S) -> None:
        """Open a manifest of a folder: a local path or `s3://bucket/key`, with all its files under a root."""
        self._uri, self._folder = uri, folder
        self._files = files_of(uri, roots, patience_s)
        self.ignored = Ignored()  # rows of the latest complete reading
        self.unlisted: list[str] = []  # a manifest is read whole or not at all

    def __iter__(self) -> Iterator[ObjectInfo]:
        """The objects, few in memory at once; SettingsError if a file is malformed, lacks a column or has no usable row."""
        self.ignored.clear()
        try:
            yield from self._objects()
        except (pa.ArrowException, OSError) as error:
            raise SettingsError(f"cannot read manifest {self._uri}: {' '.join(str(error).split())}") from error

    def _objects(self) -> Iterator[ObjectInfo]:
        count, first = 0, ""
        for file in self._files:
            for place, given in _rows(file):
                row, fault = _typed(given, file.is_encoded)
                name = None if row["key"] is None else self._inside(row["key"], row.get("bucket"))
                if reason := self._why_ignored(name, row, fault):
                    first = first or (f"{place}: {fault}" if reason == UNUSABLE_ROW else "")
                    self.ignored.add(reason, place if row["key"] is None else printable(row["key"]))
                else:
                    yield self._folder.info(str(name), row["etag"], row["size"], row.get("modified") or _UNDATED)
                count += 1
        if unusable := self.ignored.reasons[UNUSABLE_ROW]:
            if unusable == count:
                raise SettingsError(f"cannot read manifest {self._uri}: none of its {count} rows can be used; {first}")
            log.warning("manifest %s: %d of %d rows are ignored; the first, %s", self._uri, unusable, count, first)

    def _why_ignored(self, name: str | None, row: _Row, fault: str | None) -> str | None:
        """Why a row is ignored; None if its object may be an image."""
        if row.get("is_latest") is False or row.get("is_delete_marker"):
            return NOT_LATEST
        if fault:
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


def _rows(file: InventoryFile) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The place of each row in a file, and its values under our names; none where a line has too many or too few."""
    if file.is_parquet:
        yield from _parquet_rows(file)
        return
    with file.open() as stream:
        given, lines = csv_table(stream, f"manifest {file.uri}", _NEEDS, file.columns)
        places = {ours: given.index(name) for name, ours in _columns(file.uri, given).items()}
        for line, fields in lines:
            fits = len(fields) == len(given)
            yield f"{file.uri}:{line}", {ours: fields[place] for ours, place in places.items()} if fits else {}


def _parquet_rows(file: InventoryFile) -> Iterator[tuple[str, Mapping[str, Any]]]:
    number = 0
    with pq.ParquetFile(file.open()) as table:
        columns = _columns(file.uri, table.schema_arrow.names)
        for batch in table.iter_batches(columns=list(columns)):
            values = [_values(batch[name]) for name in columns]
            for row in zip(*values, strict=True):
                number += 1
                yield f"{file.uri}: row {number}", dict(zip(columns.values(), row, strict=True))


def _values(column: pa.Array) -> list[Any]:
    """A column's values, times as Python can hold them."""
    if not pa.types.is_timestamp(column.type):
        return list(column.to_pylist())
    units = {"s": 1, "ms": 1e3, "us": 1e6, "ns": 1e9}[column.type.unit]
    return [None if time is None else moment_of(time / units) for time in column.cast(pa.int64()).to_pylist()]


def _typed(given: Mapping[str, Any], is_encoded: bool) -> tuple[_Row, str | None]:
    """A row's values with their types, null where there is none, and why it cannot be used."""
    row: _Row = {"key": None}
    fault = None if given else "it has more or fewer fields than there are columns"
    for name, value in given.items():
        try:
            row[name] = _READ[name](value)
        except (ValueError, KeyError):
            row[name] = None
            if not _is_null(value):
                fault = f"{name} is {str(value)[:100]!r}"
    if is_encoded and row["key"]:
        row["key"] = unquote_plus(row["key"])
    if not fault and (missing := [name for name in _NEEDED if row[name] is None or row[name] == ""]):
        fault = f"it has no {' and no '.join(missing)}"
    return row, fault


def _is_null(value: Any) -> bool:
    return str(value).strip().lower() in _NULL


def _key(value: Any) -> str | None:
    return None if value is None else str(value)


def _text(value: Any) -> str | None:
    return None if _is_null(value) else str(value).strip()


def _size(value: Any) -> int:
    """Whole bytes, perhaps padded or with a decimal zero; ValueError if the text is no such number."""
    if digits := _WHOLE.fullmatch(str(value)):
        return int(digits[1])
    raise ValueError


def _moment(value: Any) -> datetime:
    return value if isinstance(value, datetime) else read_moment(str(value).strip())


def _flag(value: Any) -> bool:
    return {"true": True, "1": True, "false": False, "0": False}[str(value).strip().lower()]


_READ: Final[Mapping[str, Callable[[Any], Any]]] = {
    "key": _key,
    "etag": _text,
    "bucket": _text,
    "size": _size,
    "modified": _moment,
    "is_latest": _flag,
    "is_delete_marker": _flag,
}


def _columns(uri: str, given: list[str]) -> dict[str, str]:
    """Our name of each column that is read, by the file's name."""
    columns = {name: _NAMES[plain] for name in given if (plain := name.lower().replace("_", "")) in _NAMES}
    missing = [name for name in _NEEDED if name not in columns.values()]
    if missing or len(set(columns.values())) < len(columns):
        raise SettingsError(
            f"manifest {uri} has the columns {', '.join(given) or 'none'}; it needs each of key, etag and size once, and may have "
            f"last_modified"
        )
    return columns
