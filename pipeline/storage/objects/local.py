"""A folder on this machine."""

from __future__ import annotations

import errno
import logging
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from itertools import chain, islice
from pathlib import Path
from typing import IO, NamedTuple

from pipeline.core.errors import BadInput, ObjectUnavailable, SettingsError, SourceChanged
from pipeline.core.reasons import (
    FORBIDDEN,
    LINK_ELSEWHERE,
    NO_PLAIN_FILE,
    OTHER_TYPE,
    TOO_LARGE_FILE,
    UNAVAILABLE,
    UNLISTED,
    UNSAFE_NAME,
    VANISHED,
)
from pipeline.storage.files import create_bytes
from pipeline.storage.objects.base import ObjectInfo, moment_of, printable, safe_name
from pipeline.storage.objects.beneath import (
    NoPlainFile,
    OutsideRoot,
    open_beneath,
    open_plain,
    open_size,
    read_past_cache,
)
from pipeline.storage.objects.exclusions import Exclusions
from pipeline.storage.objects.ignored import Ignored
from pipeline.storage.objects.image_names import HEAD_BYTES, kind_of

log = logging.getLogger(__name__)

_NO_SUCH_NAME = {errno.ENAMETOOLONG, errno.EILSEQ, errno.EINVAL}
_OTHERS_ASKED = 8  # files that are tried to learn whether a disk fails or one file


class _Entry(NamedTuple):
    order: bytes  # sorts a folder's entries so that the whole tree is in the order of the relative paths' bytes
    name: str
    is_folder: bool
    entry: os.DirEntry[str]


class LocalFolder:
    """A folder of images on this machine; `bound` says whether a linked file must lie in the folder, too."""

    def __init__(self, root: Path, bound: bool = True, exclusions: Exclusions | None = None) -> None:
        """Open a folder; raises SettingsError if there is none."""
        if not root.is_dir():
            raise SettingsError(f"input folder {str(root)!r} does not exist or is no folder; create it or name another")
        self.root = root.resolve()
        self.uri = str(self.root)
        self.bound = bound
        self.exclusions = exclusions or Exclusions()
        self.ignored = Ignored()
        self.unlisted: list[str] = []
        self._read_before: ObjectInfo | None = None

    def list(self, under: str = "") -> Iterator[ObjectInfo]:
        """Every file whose name tells no other type, at any depth, by the UTF-8 bytes of its name.

        Hidden files and folders are skipped, linked folders are not entered, and linked files count if they lie in the
        folder or it is not bound. What cannot be listed costs itself only: it is ignored, with its reason.
        """
        self.ignored.clear()
        self.unlisted.clear()
        if self._may_enter(under):
            yield from self._walk(f"{under}/" if under else "")

    def folders(self, under: str = "") -> Iterator[str]:
        """Names of the folders directly in `under`, in order."""
        if self._may_enter(under):
            for entry in self._entries(f"{under}/" if under else ""):
                if entry.is_folder:
                    yield f"{under}/{entry.name}" if under else entry.name

    def info(self, name: str, etag: str, size: int, modified: datetime) -> ObjectInfo:
        """A file as somebody else listed it."""
        return ObjectInfo(name, printable(self._path(name)), etag, size, modified)

    def head(self, info: ObjectInfo) -> bytes:
        """The first bytes of a listed file."""
        with self._reading(info.name, info.uri) as file:
            return file.read(HEAD_BYTES)

    def read(self, info: ObjectInfo) -> bytes:
        """The bytes that were listed."""
        with self._reading(info.name, info.uri) as file:
            _require_unchanged(info, os.fstat(file.fileno()))
            data = file.read(info.size + 1)
            _require_unchanged(info, os.fstat(file.fileno()))
        self._read_before = info
        return data

    def create(self, name: str, data: bytes) -> bool:
        """Create one file atomically, unless it exists."""
        with self._changing(name) as path:
            return create_bytes(path, data)

    def get(self, name: str, most_bytes: int | None = None) -> bytes | None:
        """The bytes of one file, if it exists."""
        try:
            with self._opened(safe_name(name)) as file:
                size = open_size(file)
                if most_bytes is not None and size > most_bytes:
                    raise BadInput(TOO_LARGE_FILE, f"{self._path(name)} has {size:,} bytes; {most_bytes:,} are allowed")
                return file.read()
        except OutsideRoot as error:
            self._require_root(error)
            return None
        except (FileNotFoundError, NoPlainFile):
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

    @contextmanager
    def _opened(self, name: str) -> Iterator[IO[bytes]]:
        with open_beneath(self.root, name) if self.bound else open_plain(self.root / name) as file:
            yield file

    @contextmanager
    def _reading(self, name: str, uri: str) -> Iterator[IO[bytes]]:
        """An open file; the errors of opening and reading it become ours."""
        try:
            with self._opened(name) as file:
                yield file
        except OutsideRoot as error:
            self._require_root(error)
            raise SourceChanged(f"{uri} has become a link that leads out of {self.root}") from error
        except (FileNotFoundError, NotADirectoryError, NoPlainFile) as error:
            if self.root.is_dir():
                raise SourceChanged(f"{uri} was deleted, or is no file any more, after it was listed") from error
            raise ObjectUnavailable(f"folder {self.root} is gone; is its disk still mounted?") from error
        except PermissionError as error:
            raise BadInput(FORBIDDEN, f"{uri} may not be read by this user; check its permissions") from error
        except ValueError as error:  # a null character
            raise BadInput(UNSAFE_NAME, f"no file can be called {name!r}") from error
        except OSError as error:
            raise self._alone(_failure("read", uri, name, error), name) from error

    def _require_root(self, error: OutsideRoot) -> None:
        """Raise ObjectUnavailable if the folder's own path leads elsewhere now."""
        if os.path.realpath(self.root) != self.uri:
            raise ObjectUnavailable(f"folder {self.root} has become a link, or lies below one; put it back") from error

    def _alone(self, error: BadInput | ObjectUnavailable, name: str) -> BadInput | ObjectUnavailable:
        """An error that concerns one file, if the disk gives others."""
        if isinstance(error, BadInput) or not self._gives_others(name):
            return error
        return BadInput(UNAVAILABLE, f"{error}; the disk gives other files: restore this one, or replay {UNAVAILABLE}")

    def _gives_others(self, name: str) -> bool:
        known = [self._read_before] if self._read_before and self._read_before.name != name else []
        try:
            others = LocalFolder(self.root, self.bound, self.exclusions)  # this one's figures stay as they are
            listed = (info for info in others.list() if info.name != name and info.size)
            return any(map(self._gives, chain(known, islice(listed, _OTHERS_ASKED))))
        except (OSError, SettingsError, ObjectUnavailable):  # the folder itself fails
            return False

    def _gives(self, info: ObjectInfo) -> bool:
        try:
            with self._opened(info.name) as file:
                return bool(read_past_cache(file))
        except (OSError, ValueError):
            return False

    def _path(self, name: str) -> str:
        return f"{self.uri.rstrip('/')}/{name}"

    def _walk(self, prefix: str) -> Iterator[ObjectInfo]:
        """The files of a tree; a stack of folders instead of a recursion, as a tree may be very deep."""
        stack = [(prefix, iter(self._entries(prefix)))]
        while stack:
            prefix, entries = stack[-1]
            entry = next(entries, None)
            if entry is None:
                stack.pop()
            elif entry.is_folder:
                inner = prefix + entry.name
                if reason := self.exclusions.why_folder(inner):
                    self._ignore(reason, inner)
                else:
                    stack.append((f"{inner}/", iter(self._entries(f"{inner}/"))))
            elif info := self._listed(prefix + entry.name, entry.entry):
                yield info

    def _listed(self, name: str, entry: os.DirEntry[str]) -> ObjectInfo | None:
        """A file as it is listed; None if it is ignored."""
        reason = OTHER_TYPE if kind_of(name) == "other" else self.exclusions.why(name)
        found = reason or self._info(name, entry)
        if isinstance(found, str):
            self._ignore(found, name)
            if found == UNLISTED:
                self.unlisted.append(name)
            return None
        return found

    def _entries(self, prefix: str) -> Sequence[_Entry]:
        folder = self._path(prefix)
        found: Sequence[_Entry] = ()
        try:
            with os.scandir(folder) as entries:
                found = tuple(_entry(entry) for entry in entries if not entry.name.startswith("."))
        except OSError as error:
            if not prefix:
                raise ObjectUnavailable(f"cannot list folder {folder}: {error.strerror or error}") from error
            self._cannot_list(prefix.rstrip("/"), error)
        return sorted(found, key=lambda entry: entry.order)

    def _cannot_list(self, name: str, error: OSError) -> None:
        """One folder that cannot be listed costs itself only, unless the whole input is gone."""
        if not self.root.is_dir():
            raise ObjectUnavailable(f"folder {self.root} is gone; is its disk still mounted?") from error
        if isinstance(error, (FileNotFoundError, NotADirectoryError)):
            self._ignore(VANISHED, name)
            return
        log.warning("folder %s cannot be listed and is ignored: %s", printable(self._path(name)), error.strerror)
        self.unlisted.append(name)
        self._ignore(UNLISTED, name)

    def _info(self, name: str, entry: os.DirEntry[str]) -> ObjectInfo | str:
        """A listed file, or the reason why it is ignored."""
        try:
            status = entry.stat()
            if entry.is_symlink() and not self._inside(Path(entry.path)):
                return LINK_ELSEWHERE
        except OSError as error:
            if entry.is_symlink():
                return LINK_ELSEWHERE
            return VANISHED if isinstance(error, FileNotFoundError) else UNLISTED
        if not stat.S_ISREG(status.st_mode):
            return LINK_ELSEWHERE if entry.is_symlink() else NO_PLAIN_FILE
        return self.info(name, _etag(status), status.st_size, moment_of(status.st_mtime))

    def _ignore(self, reason: str, name: str) -> None:
        self.ignored.add(reason, printable(self._path(name)))

    def _inside(self, path: Path) -> bool:
        return not self.bound or path.resolve().is_relative_to(self.root)

    def _may_enter(self, name: str) -> bool:
        """Whether a folder exists, no part of its path is a link, and it is not excluded."""
        path = self.root / name
        try:
            return not name or (path.is_dir() and path.resolve() == path and not self.exclusions.why_folder(name))
        except OSError as error:
            self._cannot_list(name, error)
            return False


def _failure(what: str, path: str, name: str, error: OSError) -> BadInput | ObjectUnavailable:
    if error.errno in _NO_SUCH_NAME:
        return BadInput(UNSAFE_NAME, f"no file can be called {name[:200]!r}: {error.strerror}")
    return ObjectUnavailable(f"cannot {what} {path}: {error.strerror or error}")


def _entry(entry: os.DirEntry[str]) -> _Entry:
    try:
        is_folder = entry.is_dir(follow_symlinks=False)
    except OSError:  # it went, or the system cannot say; then it is no folder that could be entered
        is_folder = False
    return _Entry(os.fsencode(entry.name) + (b"/" if is_folder else b""), entry.name, is_folder, entry)


def _etag(status: os.stat_result) -> str:
    return f"{status.st_size}-{status.st_mtime_ns}"


def _require_unchanged(info: ObjectInfo, status: os.stat_result) -> None:
    if _etag(status) != info.etag:
        raise SourceChanged(f"{info.uri} changed after it was listed: etag was {info.etag}, is {_etag(status)}")
