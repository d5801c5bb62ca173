"""Removal: paths are renamed into the trash first, so that nobody takes half a folder for a whole one."""

from __future__ import annotations

import os
import shutil
import stat
import uuid
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from pipeline.core.environment import Home
from pipeline.storage.locks import exclusive_lock

TRASH = ".trash"


@dataclass(frozen=True)
class Garbage:
    """Paths that may be removed together."""

    what: str  # a word for people
    paths: tuple[Path, ...]  # renamed in this order
    used: float  # when they were last used or written, in seconds since 1970
    since: float  # garbage used after this moment stays
    guard: Path | None = None  # a file that users lock

    @property
    def is_expired(self) -> bool:
        """Whether it was not used since the limit."""
        return self.used < self.since

    @property
    def size(self) -> int:
        """Bytes of its files."""
        return sum(size_of(path) for path in self.paths)


def discard(home: Home, garbage: Garbage) -> bool:
    """Move garbage into the trash, unless it is in use; returns whether anything was moved."""
    with exclusive_lock(garbage.guard) if garbage.guard else nullcontext(True) as is_free:
        if not is_free or modified_at(garbage.guard or garbage.paths[0]) >= garbage.since:
            return False
        trash = next(folder for folder in _trash_folders(home) if garbage.paths[0].is_relative_to(folder.parent))
        target = trash / uuid.uuid4().hex
        target.mkdir(parents=True)
        existing = [path for path in garbage.paths if path.exists()]
        for path in existing:
            path.rename(target / path.name)
        return bool(existing)


def empty_trash(home: Home) -> None:
    """Delete the trash, also of processes that were stopped before they could."""
    for folder in _trash_folders(home):
        for item in folder.glob("*"):
            shutil.rmtree(item, ignore_errors=True)


def size_of(path: Path) -> int:
    """Bytes of a file, or of all below a folder."""
    statuses = filter(None, map(_stat, (path, *_below(path))))
    return sum(status.st_size for status in statuses if stat.S_ISREG(status.st_mode))


def written_at(folder: Path) -> float:
    """When anything in a folder was last written, in seconds since 1970."""
    return max(map(modified_at, (folder, *_below(folder))))


def modified_at(path: Path) -> float:
    """When a file or folder was last written, in seconds since 1970; 0 if it is gone."""
    status = _stat(path)
    return status.st_mtime if status else 0.0


def _stat(path: Path) -> os.stat_result | None:
    try:
        return path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return None


def _below(folder: Path) -> Iterator[Path]:
    """Every file and folder below a folder; others may rename or remove some meanwhile."""
    for root, folders, files in os.walk(folder):
        yield from (Path(root, name) for name in (*folders, *files))


def _trash_folders(home: Home) -> tuple[Path, ...]:
    """On the same file systems as the garbage, as a folder cannot be renamed across; the innermost first."""
    return home.store / "nights" / TRASH, home.root / "cache" / TRASH, home.store / TRASH
