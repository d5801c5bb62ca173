"""Listing and reading pictures behind one small interface; local folders for now.

An object's `etag` names one state of it: other bytes under the same name have another etag, and
reading gives the bytes that were listed or says that they are gone.
"""

from __future__ import annotations

import logging
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pipeline.errors import BadInput, ObjectUnavailable, SettingsError, SourceChanged

log = logging.getLogger(__name__)

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", "")

SOURCE_CHANGED = "source_changed"
FORBIDDEN = "forbidden"

REASONS = {
    SOURCE_CHANGED: "The file was changed or deleted after it was listed; its new state is another object.",
    FORBIDDEN: "This user may not read the file.",
}


@dataclass(frozen=True)
class ObjectInfo:
    """One listed object.

    Attributes:
        name: path relative to the folder, with forward slashes; other than UTF-8 is surrogate-escaped.
        uri: what the caption tables call it: the absolute path, printable.
        etag: one state of the object; for a local file `size-mtime` with the time in nanoseconds.
        size: in bytes.
        modified: when it last changed, in UTC.
    """

    name: str
    uri: str
    etag: str
    size: int
    modified: datetime


class LocalFolder:
    """A folder of pictures on this machine.

    Attributes:
        root: absolute, links resolved.
        bound: whether a linked file must lie in the folder too.
        ignored: files that the latest complete `list` left out because of their suffix, because
            they are no plain files, or because a link leads out of a bound folder.
    """

    def __init__(self, root: Path, bound: bool = True) -> None:
        """Open an existing folder.

        Raises:
            SettingsError: it is none.
        """
        if not root.is_dir():
            raise SettingsError(f"input folder {str(root)!r} does not exist or is no folder; create it or name another")
        self.root = root.resolve()
        self.bound = bound
        self.ignored = 0

    def list(self) -> Iterator[ObjectInfo]:
        """Every file with a picture's suffix or none, at any depth, by the UTF-8 bytes of its name.

        Hidden files and folders are passed over, linked folders are not entered, and linked files
        count if they lie in the folder or it is not bound.

        Raises:
            ObjectUnavailable: a folder cannot be read.
        """
        self.ignored = 0
        for path in self._files(self.root):
            info = self._info(path) if path.suffix.lower() in SUFFIXES else None
            if info:
                yield info
            else:
                self.ignored += 1

    def read(self, info: ObjectInfo) -> bytes:
        """The bytes that were listed.

        Raises:
            SourceChanged: the file was deleted or changed since.
            BadInput: `forbidden`, this user may not read it.
            ObjectUnavailable: the disk failed, or the folder itself is gone.
        """
        path = self.root / info.name
        try:
            if not self._inside(path):
                raise SourceChanged(f"{info.uri} has become a link that leads out of {self.root}")
            with path.open("rb") as file:
                _same(info, os.fstat(file.fileno()))
                data = file.read()
                _same(info, os.fstat(file.fileno()))
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
            if self.root.is_dir():
                raise SourceChanged(f"{info.uri} was deleted after it was listed") from error
            raise ObjectUnavailable(f"folder {self.root} is gone; is its disk still mounted?") from error
        except PermissionError as error:
            raise BadInput(FORBIDDEN, f"{info.uri} may not be read by this user; check its permissions") from error
        except OSError as error:
            raise ObjectUnavailable(f"cannot read {info.uri}: {error.strerror or error}") from error
        return data

    def _files(self, folder: Path) -> Iterator[Path]:
        for entry in self._entries(folder):
            if entry.is_dir(follow_symlinks=False):
                yield from self._files(Path(entry.path))
            else:
                yield Path(entry.path)

    def _entries(self, folder: Path) -> Sequence[os.DirEntry[str]]:
        try:
            return sorted((entry for entry in os.scandir(folder) if not entry.name.startswith(".")), key=_order)
        except OSError as error:
            if isinstance(error, PermissionError) and folder != self.root:  # such as lost+found
                log.warning("folder %s may not be read by this user and is ignored", folder)
                self.ignored += 1
                return []
            raise ObjectUnavailable(f"cannot list folder {folder}: {error.strerror or error}") from error

    def _info(self, path: Path) -> ObjectInfo | None:
        """A listed file; None where it is none of ours."""
        try:
            status = path.stat()
            inside = not path.is_symlink() or self._inside(path)
        except OSError:  # deleted since, or a link to nowhere
            return None
        if not inside or not stat.S_ISREG(status.st_mode):
            return None
        name = path.relative_to(self.root).as_posix()
        modified = datetime.fromtimestamp(status.st_mtime, UTC)
        return ObjectInfo(name, printable(str(path)), _etag(status), status.st_size, modified)

    def _inside(self, path: Path) -> bool:
        return not self.bound or path.resolve().is_relative_to(self.root)


def open_folder(uri: str) -> LocalFolder:
    """The folder of pictures that a user named.

    Raises:
        SettingsError: it does not exist, or is of a kind that is not supported.
    """
    scheme, separator, _ = uri.partition("://")
    if separator and scheme.lower() == "s3":
        raise SettingsError(f"input {uri!r}: s3:// is not supported yet; name a local folder")
    if separator or uri.lower().startswith("file:"):
        raise SettingsError(f"input {uri!r}: {scheme}: is not supported; name a local folder by its path")
    if not uri:
        raise SettingsError("input is empty; name a local folder")
    return LocalFolder(Path(uri))


def _order(entry: os.DirEntry[str]) -> bytes:
    """A sort key that walks a tree in the order of the whole relative paths' bytes."""
    return os.fsencode(entry.name) + (b"/" if entry.is_dir(follow_symlinks=False) else b"")


def _etag(status: os.stat_result) -> str:
    return f"{status.st_size}-{status.st_mtime_ns}"


def _same(info: ObjectInfo, status: os.stat_result) -> None:
    if _etag(status) != info.etag:
        raise SourceChanged(f"{info.uri} changed after it was listed: etag was {info.etag}, is {_etag(status)}")


def printable(path: str) -> str:
    """A path as text that is valid UTF-8; other bytes become escapes such as `\\xff`."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")
