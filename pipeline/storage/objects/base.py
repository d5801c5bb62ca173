"""The interface of a folder of objects, and rules for their names."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePosixPath
from typing import Protocol

from pipeline.core.errors import BadInput
from pipeline.core.reasons import UNSAFE_NAME
from pipeline.core.redaction import masked, without_user

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".avif", ".heic", ".heif", ".gif", ".bmp", ".tif", ".tiff", "")


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """One listed object."""

    name: str  # path relative to the folder, with forward slashes; other than UTF-8 is surrogate-escaped
    uri: str  # in the caption tables: the absolute path or `s3://bucket/key`, printable
    etag: str  # names one state: other bytes have another etag; for a local file `size-mtime`, in nanoseconds
    size: int  # in bytes
    modified: datetime  # in UTC


class Folder(Protocol):
    """A local folder, or a prefix in a bucket.

    Every method raises ObjectUnavailable when the disk or the service fails, and SettingsError when the service
    refuses the credentials or has no such bucket. Methods with a name raise BadInput `unsafe_name`.
    """

    uri: str  # as `open_folder` takes it
    ignored: int  # files that the latest complete `list` left out: no image, no plain file, or a link elsewhere

    def list(self, under: str = "") -> Iterator[ObjectInfo]:
        """Every object with an image's suffix or none, at any depth below the folder `under`."""

    def folders(self, under: str = "") -> Iterator[str]:
        """Names of the folders directly in the folder `under`, each relative to this folder."""

    def info(self, name: str, etag: str, size: int, modified: datetime) -> ObjectInfo:
        """An object as somebody else listed it; nothing is read."""

    def read(self, info: ObjectInfo) -> bytes:
        """The bytes that were listed; raises SourceChanged if they are gone, and BadInput `forbidden`."""

    def create(self, name: str, data: bytes) -> bool:
        """Create one object atomically, unless one of that name exists; returns whether this call did."""

    def get(self, name: str) -> bytes | None:
        """The bytes that one object has now; None if there is none. Raises BadInput `forbidden`, too."""

    def delete(self, name: str) -> None:
        """Remove one object, if it exists."""


def is_image(name: str) -> bool:
    """Whether a name has an image's suffix or none."""
    return os.path.splitext(name)[1].lower() in SUFFIXES  # noqa: PTH122 - once for each of millions


def is_hidden(name: str) -> bool:
    """Whether a part of a name begins with a dot; `.` and `..` are only odd names in a store."""
    return (name.startswith(".") or "/." in name) and any(
        part.startswith(".") and part not in {".", ".."} for part in name.split("/")
    )


def safe_name(name: str) -> str:
    """A name under which an object may be written: it stays below the folder in every store.

    Raises BadInput `unsafe_name` if it is empty, absolute or too long, or has an empty part, `.`, `..`, a control
    character, or bytes that are no Unicode.
    """
    parts = name.split("/")
    try:
        long = len(name.encode()) > 1024
    except UnicodeEncodeError:
        long = True
    if long or not name.isprintable() or any(part in {"", ".", ".."} for part in parts):
        raise BadInput(UNSAFE_NAME, f"{name[:200]!r} cannot name an object to write; it must be a plain relative path")
    return str(PurePosixPath(name))


def printable(path: str) -> str:
    """A path as text that is valid UTF-8; other bytes become escapes such as `\\xff`."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def shown(uri: str) -> str:
    """An address for a message: without user and password, and no other secret."""
    return masked(without_user(uri))
