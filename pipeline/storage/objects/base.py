"""The interface of a folder of objects, and rules for their names."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import PurePosixPath
from typing import Protocol

from pipeline.core.errors import BadInput
from pipeline.core.reasons import UNSAFE_NAME
from pipeline.core.redaction import masked, without_user
from pipeline.storage.objects.exclusions import Exclusions
from pipeline.storage.objects.ignored import Ignored

# As far as a time may be from what Python can hold, so that no time zone leads beyond.
EARLIEST = datetime(1, 1, 2, tzinfo=UTC)
LATEST_TIME = datetime(9999, 12, 30, tzinfo=UTC)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


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
    exclusions: Exclusions  # what listings leave out
    ignored: Ignored  # files that the latest complete `list` left out, by reason
    unlisted: list[str]  # folders that the latest complete `list` could not list, and that are still there

    def list(self, under: str = "") -> Iterator[ObjectInfo]:
        """Every object whose name does not tell another type than an image, at any depth below the folder `under`.

        What a name that says nothing holds is told by `head`: see `images_of`.
        """

    def folders(self, under: str = "") -> Iterator[str]:
        """Names of the folders directly in the folder `under`, each relative to this folder."""

    def info(self, name: str, etag: str, size: int, modified: datetime) -> ObjectInfo:
        """An object as somebody else listed it; nothing is read."""

    def head(self, info: ObjectInfo) -> bytes:
        """The first `HEAD_BYTES` of a listed object, or all if it has fewer; raises as `read`."""

    def read(self, info: ObjectInfo) -> bytes:
        """The bytes that were listed.

        Raises SourceChanged if they are gone, and BadInput `forbidden`, `archived`, `damaged` or, if the store or disk
        refuses this object alone, `unavailable`.
        """

    def create(self, name: str, data: bytes) -> bool:
        """Create one object atomically, unless one of that name exists; returns whether this call did."""

    def get(self, name: str, most_bytes: int | None = None) -> bytes | None:
        """The bytes that one object has now; None if there is none.

        Raises BadInput `forbidden` and, before it reads more than `most_bytes`, `too_large_file`.
        """

    def delete(self, name: str) -> None:
        """Remove one object, if it exists."""


def moment_of(seconds: float) -> datetime:
    """Seconds since 1970 as a time; the nearest that Python holds where a file says the year 30828, or one before 1."""
    try:
        return min(max(_EPOCH + timedelta(seconds=seconds), EARLIEST), LATEST_TIME)
    except (OverflowError, ValueError):
        return LATEST_TIME if seconds > 0 else EARLIEST


def read_moment(text: str) -> datetime:
    """A time in ISO 8601, in UTC where it names no zone; ValueError if it is none."""
    moment = datetime.fromisoformat(text)
    return moment_of((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())


def moment_told(text: str | None) -> datetime:
    """A time that a store tells as ISO 8601; the earliest where it tells none or an odd one, so its object is due."""
    try:
        return read_moment(text or "")
    except (ValueError, OverflowError):
        return EARLIEST


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
