"""The one way to open what others may have put there: what was opened is what is checked.

A root is real, as `resolved` leaves it. One that has become a link since, or lies below one, is another folder.
"""

from __future__ import annotations

import errno
import fcntl
import mmap
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

_FOLDER = os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC | getattr(os, "O_PATH", os.O_RDONLY)
_FILE = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC  # a pipe or a tape is not waited for
_BLOCK = 4096  # bytes; what a disk gives past the cache is whole blocks, into aligned memory
_LOOKS = 20  # at links that others change meanwhile
_LINKS = {errno.ELOOP, errno.ENOTDIR, errno.EMLINK}  # how a link answers that may not be followed


class OutsideRoot(OSError):
    """The name leads out of its root, through a link or `..`."""


class NoPlainFile(OSError):
    """A folder, a pipe, a socket or a device."""


@contextmanager
def open_beneath(root: Path, name: str) -> Iterator[IO[bytes]]:
    """Open a regular file below a folder, whatever becomes of the folders and links on the way meanwhile.

    Each part is opened by itself, from the folder that was opened before it, and no link is followed. Links on the way
    are resolved first, and must stay inside. Raises OutsideRoot, NoPlainFile, or another OSError as `open` does.
    """
    with _plain(_opened(root, name, _FILE), root / name) as file:
        yield file


@contextmanager
def folder_beneath(root: Path, name: str, is_made: bool = False) -> Iterator[Path]:
    """Hold a folder below another, perhaps made, by a path that leads to it whatever becomes of its name meanwhile.

    Links are as for `open_beneath`. Raises OutsideRoot, or another OSError as `open` does.
    """
    descriptor = _opened(root, name, _FOLDER, is_made)
    try:
        held = Path(f"/proc/self/fd/{descriptor}")
        yield held if held.exists() else root / name  # a system without /proc
    finally:
        os.close(descriptor)


@contextmanager
def open_plain(path: Path) -> Iterator[IO[bytes]]:
    """Open a regular file wherever links lead; raises NoPlainFile, or another OSError as `open` does."""
    with _plain(os.open(path, _FILE), path) as file:
        yield file


def resolved(path: str | Path) -> Path:
    """A path with its links followed as far as there are any; OSError if others change these all the time."""
    for _ in range(_LOOKS):
        with suppress(OSError):  # what was a link has become another thing before it was read
            return Path(os.path.realpath(path))
    raise OSError(errno.ELOOP, "its links change all the time", str(path))


def open_size(file: IO[bytes]) -> int:
    """The bytes of an open file."""
    return os.fstat(file.fileno()).st_size


def read_past_cache(file: IO[bytes]) -> bytes:
    """The first block of an open file as its disk gives it now, where the system can ask the disk; raises OSError."""
    descriptor, block = file.fileno(), mmap.mmap(-1, _BLOCK)
    flags = fcntl.fcntl(descriptor, fcntl.F_GETFL)
    try:
        fcntl.fcntl(descriptor, fcntl.F_SETFL, flags | getattr(os, "O_DIRECT", 0))
        return block[: os.preadv(descriptor, [block], 0)]
    except OSError as error:
        if error.errno not in {errno.EINVAL, errno.EOPNOTSUPP}:
            raise
    fcntl.fcntl(descriptor, fcntl.F_SETFL, flags)
    if hasattr(os, "posix_fadvise"):
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    return os.pread(descriptor, _BLOCK, 0)


@contextmanager
def _plain(descriptor: int, path: Path) -> Iterator[IO[bytes]]:
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        raise NoPlainFile(errno.EISDIR if stat.S_ISDIR(mode) else errno.EINVAL, "it is no plain file", str(path))
    with os.fdopen(descriptor, "rb") as file:
        yield file


def _opened(root: Path, name: str, flags: int, is_made: bool = False) -> int:
    try:
        return _opened_without_links(root, name, flags, is_made)
    except OSError as error:
        if error.errno not in _LINKS:
            raise
        real = resolved(root / name)
        if not real.is_relative_to(root):
            raise _outside(root, name) from error
        return _opened_without_links(root, str(real.relative_to(root)), flags, is_made)


def _opened_without_links(root: Path, name: str, flags: int, is_made: bool) -> int:
    *folders, last = [part for part in name.split("/") if part not in {"", "."}] or ["."]
    if ".." in folders or last == "..":
        raise OSError(errno.ELOOP, "a part leads upwards", name)
    try:
        at = _opened_folder(os.open(root.anchor, _FOLDER), root.parts[1:])
    except OSError as error:
        if error.errno in _LINKS and os.path.realpath(root, strict=True) != os.fspath(root):
            raise _outside(root, name) from error
        raise
    at = _opened_folder(at, folders, is_made)
    try:
        return _opened_in(at, last, flags | os.O_NOFOLLOW, is_made)
    finally:
        os.close(at)


def _opened_folder(at: int, parts: Sequence[str], is_made: bool = False) -> int:
    """A folder below an open one, which is closed; each part is opened from the one before, as no link."""
    for part in parts:
        try:
            inner = _opened_in(at, part, _FOLDER, is_made)
        finally:
            os.close(at)
        at = inner
    return at


def _opened_in(folder: int, name: str, flags: int, is_made: bool) -> int:
    """What has a name in an open folder, which is made as a folder if it is missing and to be made."""
    try:
        return os.open(name, flags, dir_fd=folder)
    except FileNotFoundError:
        if not is_made:
            raise
    with suppress(FileExistsError):
        os.mkdir(name, dir_fd=folder)
    return os.open(name, flags, dir_fd=folder)


def _outside(root: Path, name: str) -> OutsideRoot:
    return OutsideRoot(errno.EXDEV, f"it leads out of {root}", str(root / name))
