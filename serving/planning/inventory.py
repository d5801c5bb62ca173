"""The files of a manifest: one file, or those that the manifest.json of an S3 Inventory names."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow as pa

from pipeline.core.errors import BadInput, SettingsError
from pipeline.storage.objects import require_inside
from pipeline.storage.objects.s3 import S3Folder
from pipeline.storage.objects.s3_address import SCHEME

_DESCRIPTION = "manifest.json"


@dataclass(frozen=True)
class InventoryFile:
    """A file with rows of a manifest."""

    uri: str  # a local path or `s3://bucket/key`
    patience_s: float
    columns: tuple[str, ...] | None = None  # of a CSV without a header
    is_encoded: bool = False  # whether keys are URL-encoded, with `%20` or `+` for a space

    @property
    def is_parquet(self) -> bool:
        """By its name."""
        return self.uri.lower().endswith((".parquet", ".pq"))

    def open(self) -> pa.NativeFile:
        """The bytes, decompressed if gzipped; those of an object are in memory first."""
        packing = "gzip" if self.uri.lower().endswith(".gz") else None
        return pa.input_stream(pa.py_buffer(self._object()) if _is_remote(self.uri) else self.uri, packing)

    def _object(self) -> bytes:
        folder, _, name = self.uri.rpartition("/")
        try:
            data = S3Folder(folder, self.patience_s).get(name)
        except BadInput as error:
            raise SettingsError(f"manifest {self.uri} cannot be read: {error}") from error
        if data is None:
            raise SettingsError(f"manifest {self.uri} is not there; name an object that is")
        return data


def files_of(uri: str, roots: Iterable[str], patience_s: float) -> list[InventoryFile]:
    """The files with the rows, in their order.

    The files that a manifest.json names lie in its bucket under the given keys; on a local disk in `data` beside its
    folder, as S3 Inventory lays them out, or beside the manifest.json.
    """
    roots = tuple(roots)
    require_inside(uri, roots)
    whole = InventoryFile(uri, patience_s)
    if not _is_remote(uri) and not Path(uri).is_file():
        raise SettingsError(
            f"manifest {uri!r} is no file; name a Parquet or CSV file, or an S3 Inventory's manifest.json"
        )
    if not uri.endswith(_DESCRIPTION):
        return [whole]
    try:
        described = json.loads(whole.open().read())
        is_csv, columns = _format(described)
        files = [_beside(uri, str(each["key"])) for each in described["files"]]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise SettingsError(f"{uri} is no manifest.json of an S3 Inventory as CSV or Parquet: {error!r}") from error
    for each in files:
        require_inside(each, roots)
    return [InventoryFile(each, patience_s, columns, is_encoded=is_csv) for each in files]


def _format(described: dict[str, Any]) -> tuple[bool, tuple[str, ...] | None]:
    """Whether the files are CSV, and then the names of their columns."""
    name = described["fileFormat"]
    if name == "Parquet":
        return False, None
    if name != "CSV":
        raise ValueError(f"fileFormat is {name}")
    return True, tuple(column.strip() for column in described["fileSchema"].split(","))


def _beside(uri: str, key: str) -> str:
    if _is_remote(uri):
        return f"{SCHEME}{uri.removeprefix(SCHEME).partition('/')[0]}/{key}"
    name, folder = PurePosixPath(key).name, Path(uri).parent
    in_data = folder.parent / "data" / name
    return str(in_data if in_data.is_file() else folder / name)


def _is_remote(uri: str) -> bool:
    return uri.startswith(SCHEME)
