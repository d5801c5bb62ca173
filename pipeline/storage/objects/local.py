"""A folder on this machine."""

from __future__ import annotations

import errno
import logging
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from pipeline.core.errors import BadInput, ObjectUnavailable, SettingsError, SourceChanged
from pipeline.core.reasons import FORBIDDEN, UNSAFE_NAME
from pipeline.storage.files import create_bytes
from pipeline.storage.objects.base import ObjectInfo, is_image, printable, safe_name

log = logging.getLogger(__name__)

_NO_SUCH_NAME = {errno.ENAMETOOLONG, errno.EILSEQ, errno.EINVAL}


class LocalFolder:
    """A folder of images on this machine; `bound` says whether a linked file must lie in the folder, too."""

    def __init__(self, root: Path, bound: bool = True) -> None:
        """Open a folder; raises SettingsError if there is none."""
        if not root.is_dir():
            raise SettingsError(f"input folder {str(root)!r} does not exist or is no folder; create it or name another")
        self.root = root.resolve()
        self.uri = str(self.root)
        self.bound = bound
        self.ignored = 0

    def list(self, under: str = "") -> Iterator[ObjectInfo]:
        """Every file with an image's suffix or none, at any depth, by the UTF-8 bytes of its name.

        Hidden files and folders are skipped, linked folders are not entered, and linked files count if they lie in the
        folder or it is not bound.
        """
        self.ignored = 0
        if not under or self._is_plain_folder(under):
            yield from self._walk(f"{under}/" if under else "")

    def folders(self, under: str = "") -> Iterator[str]:
        """Names of the folders directly in `under`, in order."""
        if not under or self._is_plain_folder(under):
            for entry in self._entries(f"{under}/" if under else ""):
                if entry.is_dir(follow_symlinks=False):
                    yield f"{under}/{entry.name}" if under else entry.name

    def info(self, name: str, etag: str, size: int, modified: datetime) -> ObjectInfo:
        """A file as somebody else listed it."""
        return ObjectInfo(name, printable(self._path(name)), etag, size, modified)

    def read(self, info: ObjectInfo) -> bytes:
        """The bytes that were listed."""
        path = self.root / info.name
        try:
            if not self._inside(path):
                raise SourceChanged(f"{info.uri} has become a link that leads out of {self.root}")
            # a pipe that took the file's place is not waited for
            with open(path, "rb", opener=lambda path, flags: os.open(path, flags | os.O_NONBLOCK)) as file:
                _require_unchanged(info, os.fstat(file.fileno()))
                data = file.read()
                _require_unchanged(info, os.fstat(file.fileno()))
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
            if self.root.is_dir():
                raise SourceChanged(f"{info.uri} was deleted after it was listed") from error
            raise ObjectUnavailable(f"folder {self.root} is gone; is its disk still mounted?") from error
        except PermissionError as error:
            raise BadInput(FORBIDDEN, f"{info.uri} may not be read by this user; check its permissions") from error
        except ValueError as error:  # a null character
            raise BadInput(UNSAFE_NAME, f"no file can be called {info.name!r}") from error
        except OSError as error:
            raise _failure("read", info.uri, info.name, error) from error
        return data

    def create(self, name: str, data: bytes) -> bool:
        """Create one file atomically, unless it exists."""
        with self._changing(name) as path:
            return create_bytes(path, data)

    def get(self, name: str) -> bytes | None:
        """The bytes of one file, if it exists."""
        path = self.root / safe_name(name)
        try:
            return path.read_bytes() if self._inside(path) else None
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _failure("read", self._path(name), name, error) from error

    def delete(self, name: str) -> None:
        """Remove one file, if it exists."""
        with self._changing(name) as path:
            path.unlink(missing_ok=True)

    @contextmanager
    def _changing(self, name: str) -> Iterator[Path]:
        path = self.root / safe_name(name)
        try:
            if not path.parent.resolve().is_relative_to(self.root):
                raise BadInput(UNSAFE_NAME, f"{name!r} leads out of {self.root} by a link")
            yield path
        except OSError as error:
            raise _failure("write", self._path(name), name, error) from error

    def _path(self, name: str) -> str:
        return f"{self.uri.rstrip('/')}/{name}"

    def _walk(self, prefix: str) -> Iterator[ObjectInfo]:
        for entry in self._entries(prefix):
            if entry.is_dir(follow_symlinks=False):
                yield from self._walk(f"{prefix}{entry.name}/")
            elif is_image(entry.name) and (info := self._info(prefix + entry.name, entry)):
                yield info
            else:
                self.ignored += 1

    def _entries(self, prefix: str) -> Sequence[os.DirEntry[str]]:
        folder = self._path(prefix)
        try:
            return sorted((entry for entry in os.scandir(folder) if not entry.name.startswith(".")), key=_order)
        except OSError as error:
            if isinstance(error, PermissionError) and prefix:  # such as lost+found
                log.warning("folder %s may not be read by this user and is ignored", folder)
                self.ignored += 1
                return []
            raise ObjectUnavailable(f"cannot list folder {folder}: {error.strerror or error}") from error

    def _info(self, name: str, entry: os.DirEntry[str]) -> ObjectInfo | None:
        """A listed file; None for a link out of the folder, a pipe, a socket or a device."""
        try:
            status = entry.stat()
            inside = not entry.is_symlink() or self._inside(Path(entry.path))
        except OSError:  # deleted since, or a link to nowhere
            return None
        if not inside or not stat.S_ISREG(status.st_mode):
            return None
        return self.info(name, _etag(status), status.st_size, datetime.fromtimestamp(status.st_mtime, UTC))

    def _inside(self, path: Path) -> bool:
        return not self.bound or path.resolve().is_relative_to(self.root)

    def _is_plain_folder(self, name: str) -> bool:
        """Whether a folder exists, and no part of its path is a link."""
        path = self.root / name
        return path.is_dir() and path.resolve() == path


def _failure(what: str, path: str, name: str, error: OSError) -> BadInput | ObjectUnavailable:
    if error.errno in _NO_SUCH_NAME:
        return BadInput(UNSAFE_NAME, f"no file can be called {name[:200]!r}: {error.strerror}")
    return ObjectUnavailable(f"cannot {what} {path}: {error.strerror or error}")


def _order(entry: os.DirEntry[str]) -> bytes:
    """A sort key that walks a tree in the order of the whole relative paths' bytes."""
    return os.fsencode(entry.name) + (b"/" if entry.is_dir(follow_symlinks=False) else b"")


def _etag(status: os.stat_result) -> str:
    return f"{status.st_size}-{status.st_mtime_ns}"


def _require_unchanged(info: ObjectInfo, status: os.stat_result) -> None:
    if _etag(status) != info.etag or not stat.S_ISREG(status.st_mode):
        raise SourceChanged(f"{info.uri} changed after it was listed: etag was {info.etag}, is {_etag(status)}")
