"""Locks on files in use, which the kernel releases however their process ends."""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import platform
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pipeline.core.errors import ObjectUnavailable

log = logging.getLogger(__name__)


class OutputLocks:
    """Shared locks on files, held until this object is gone; `exclusive_lock` fails meanwhile."""

    def __init__(self) -> None:
        self._open: dict[Path, int] = {}
        weakref.finalize(self, _close, self._open)

    def hold(self, path: Path) -> bool:
        """Lock a file and set its time to now; False if no such file exists."""
        while not self._holds(path):
            try:
                descriptor = os.open(path, os.O_RDONLY)
            except (FileNotFoundError, NotADirectoryError):
                return False
            with suppress(OSError):  # where locking is impossible, `exclusive_lock` fails, too
                fcntl.flock(descriptor, fcntl.LOCK_SH)
            self._open[path] = descriptor
        with suppress(OSError):  # another user's file in a shared store
            os.utime(path)
        return True

    def _holds(self, path: Path) -> bool:
        """Whether the locked file still has this name: it may have been removed before it was locked."""
        descriptor = self._open.get(path)
        if descriptor is None:
            return False
        with suppress(OSError):
            if os.path.samestat(os.fstat(descriptor), path.stat()):
                return True
        os.close(self._open.pop(path))
        return False


@contextmanager
def exclusive_lock(path: Path) -> Iterator[bool]:
    """Lock a file until the block ends; yields False if somebody else uses it. Nobody uses a missing file."""
    try:
        file = path.open("r+b")  # NFS needs write access for an exclusive lock
    except OSError:
        yield not path.exists()
        return
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            is_free = True
        except OSError:
            is_free = False
        yield is_free


_PATIENCE_S = 600.0  # with who holds a lock alone: looking through thousands of nights takes minutes
_TURN_S = 300.0  # with another writer of the same files
_shared: set[tuple[Path, object]] = set()  # locks of this process, which must not wait for itself


@contextmanager
def shared_lock(path: Path, patience_s: float = _PATIENCE_S) -> Iterator[None]:
    """Lock a file, which is made if it is missing, beside others who do; no lock where there can be none.

    Raises ObjectUnavailable, with the process that holds the lock alone, if it does for `patience_s`.
    """
    mine = (path, object())
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = _open_to_lock(path)
    _shared.add(mine)
    try:
        if descriptor is not None and not _lock_in_time(descriptor, fcntl.LOCK_SH, path, patience_s):
            raise ObjectUnavailable(
                f"{path} was locked for {patience_s:g} s by {_holder(descriptor)}; let it end, or end it if it hangs, and "
                "run this again"
            )
        yield
    finally:
        _shared.discard(mine)
        if descriptor is not None:
            os.close(descriptor)


@contextmanager
def exclusive_lock_in_time(path: Path, patience_s: float) -> Iterator[bool]:
    """Wait for everybody in `shared_lock` to leave it; yields False if they have not in time, or are this process."""
    descriptor = _open_to_lock(path)
    try:
        is_free = descriptor is None or _lock_in_time(descriptor, fcntl.LOCK_EX, path, patience_s)
        if descriptor is not None and is_free:
            _note_holder(descriptor)
        yield is_free
    finally:
        if descriptor is not None:
            os.close(descriptor)


@contextmanager
def writing_in_turn(path: Path, what: str) -> Iterator[None]:
    """Hold the lock of a file around writes of `what`, one process at a time; ObjectUnavailable if another does not end."""
    with exclusive_lock_in_time(path, _TURN_S) as is_alone:
        if not is_alone:
            raise ObjectUnavailable(f"somebody else has written {what} for {_TURN_S:g} s ({path}); try again")
        yield


def _lock_in_time(descriptor: int, kind: int, path: Path, patience_s: float) -> bool:
    until = time.monotonic() + patience_s
    is_alone = kind == fcntl.LOCK_EX
    while True:
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
            return True
        except OSError as error:
            if error.errno == errno.EBADF:
                log.warning("%s is another user's, and can be locked here only by who may write it", path)
            if error.errno == errno.EBADF or not (is_alone or isinstance(error, BlockingIOError)):  # no locks here
                return True
        if time.monotonic() > until or (is_alone and any(held == path for held, _ in _shared)):
            return False
        time.sleep(0.02)


def _note_holder(descriptor: int) -> None:
    with suppress(OSError):
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"process {os.getpid()} on {platform.node()}".encode(), 0)


def _holder(descriptor: int) -> str:
    """Who holds a lock alone, as its file says; whoever held it before has left a note, too."""
    with suppress(OSError):
        return os.pread(descriptor, 200, 0).decode("utf-8", "replace") or "another process"
    return "another process"


def _open_to_lock(path: Path) -> int | None:
    """A file to lock, made if it is missing; None where there can be none."""
    with suppress(OSError):
        return os.open(path, os.O_RDWR | os.O_CREAT, 0o666)  # NFS needs write access for an exclusive lock
    with suppress(OSError):  # another user's file, or in a store that this process may only read
        return os.open(path, os.O_RDONLY)
    return None


@contextmanager
def writing_alone(path: Path) -> Iterator[bool]:
    """Lock a file, made if missing, until the block ends; wait for who holds it, with a warning.

    Yields False if the file was removed meanwhile, so that whoever comes next locks another.
    """
    try:
        file = path.open("a+b")  # NFS needs write access for an exclusive lock
    except FileNotFoundError:  # its folder went
        yield False
        return
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            log.warning("another process is at work in %s; waiting until it ends", path.parent)
            fcntl.flock(file, fcntl.LOCK_EX)
        except OSError as error:  # a network file system without locks
            log.warning("%s cannot be locked (%s); let only one process at a time work there", path.parent, error)
        yield path.exists() and os.path.samestat(os.fstat(file.fileno()), path.stat())


def _close(files: dict[Path, int]) -> None:
    for descriptor in files.values():
        with suppress(OSError):
            os.close(descriptor)
