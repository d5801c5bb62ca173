"""Locks on files in use, which the kernel releases however their process ends."""

from __future__ import annotations

import fcntl
import os
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


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


def _close(files: dict[Path, int]) -> None:
    for descriptor in files.values():
        with suppress(OSError):
            os.close(descriptor)
