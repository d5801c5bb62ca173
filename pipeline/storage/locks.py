"""Who uses a file, told by shared locks, which the kernel lets go however their process ends."""

from __future__ import annotations

import fcntl
import os
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


class OutputLocks:
    """Files that somebody uses, until this object is gone: nobody who asks `alone` finds them free."""

    def __init__(self) -> None:
        self._open: dict[Path, int] = {}
        weakref.finalize(self, _close, self._open)

    def take(self, path: Path) -> bool:
        """Use a file and note when; False if there is none."""
        while not self._has(path):
            try:
                descriptor = os.open(path, os.O_RDONLY)
            except (FileNotFoundError, NotADirectoryError):
                return False
            with suppress(OSError):  # where nothing can be locked, nothing is found free either
                fcntl.flock(descriptor, fcntl.LOCK_SH)
            self._open[path] = descriptor
        with suppress(OSError):  # another's file in a shared store
            os.utime(path)
        return True

    def _has(self, path: Path) -> bool:
        """Whether the file of that name is the one that is held: it may have gone while its lock was waited for."""
        descriptor = self._open.get(path)
        if descriptor is None:
            return False
        with suppress(OSError):
            if os.path.samestat(os.fstat(descriptor), path.stat()):
                return True
        os.close(self._open.pop(path))
        return False


@contextmanager
def alone(path: Path) -> Iterator[bool]:
    """Whether nobody uses a file; if so nobody begins to before the block ends. A file that is gone is nobody's."""
    try:
        file = path.open("r+b")  # NFS locks only what may be written to for one alone
    except OSError:
        yield not path.exists()
        return
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
            return
        yield True


def _close(files: dict[Path, int]) -> None:
    for descriptor in files.values():
        with suppress(OSError):
            os.close(descriptor)
