"""The files that a manifest is made of: itself, or those that the manifest.json of an S3 Inventory names."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow as pa

from pipeline.core.errors import BadInput, SettingsError
from pipeline.storage.objects import require_inside
from pipeline.storage.objects.s3 import SCHEME, S3Folder

_DESCRIPTION = "manifest.json"


@dataclass(frozen=True)
class InventoryFile:
    """A file with rows of a manifest.

    Attributes:
        uri: a local path or `s3://bucket/key`.
        patience_s: how long an object store may fail to answer.
        columns: their names, if the file is a CSV that does not tell them.
        is_encoded: whether keys are written as in an address, with `%20` or `+` for a space.
    """

    uri: str
    patience_s: float
    columns: tuple[str, ...] | None = None
    is_encoded: bool = False

    @property
    def is_parquet(self) -> bool:
        """By its name."""
        return self.uri.lower().endswith((".parquet", ".pq"))

    def open(self) -> pa.NativeFile:
        """Its bytes, unpacked if it is gzipped; those of an object are in memory first.

        Raises:
            OSError: the disk failed, or there is no such file.
            SettingsError: there is no such object, or it may not be read.
            ObjectUnavailable: the store does not answer.
        """
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

    Those that a manifest.json names lie in its bucket under the keys it gives; on a local disk in `data` beside its
    folder, as S3 Inventory lays them out, or beside it.

    Raises:
        SettingsError: there is no such file, it lies outside the roots, or is no manifest.json that S3 Inventory writes.
        ObjectUnavailable: the store does not answer.
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
        kind, columns = _shape(described)
        found = [_beside(uri, str(each["key"])) for each in described["files"]]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise SettingsError(f"{uri} is no manifest.json of an S3 Inventory as CSV or Parquet: {error!r}") from error
    for each in found:
        require_inside(each, roots)
    return [InventoryFile(each, patience_s, columns, is_encoded=kind == "CSV") for each in found]


def _shape(described: dict[str, Any]) -> tuple[str, tuple[str, ...] | None]:
    """The files' format, and names of the columns if these do not tell them."""
    kind = described["fileFormat"]
    if kind not in {"CSV", "Parquet"}:
        raise ValueError(f"fileFormat is {kind}")
    return kind, tuple(name.strip() for name in described["fileSchema"].split(",")) if kind == "CSV" else None


def _beside(uri: str, key: str) -> str:
    if _is_remote(uri):
        return f"{SCHEME}{uri.removeprefix(SCHEME).partition('/')[0]}/{key}"
    name, folder = PurePosixPath(key).name, Path(uri).parent
    kept = folder.parent / "data" / name
    return str(kept if kept.is_file() else folder / name)


def _is_remote(uri: str) -> bool:
    return uri.startswith(SCHEME)
