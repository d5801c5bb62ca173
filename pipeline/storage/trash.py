"""How things go: renamed out of the way first, so that nothing half removed is taken for whole."""

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
from pipeline.storage.locks import alone

TRASH = ".trash"


@dataclass(frozen=True)
class Garbage:
    """Something that may go.

    Attributes:
        what: a word for people.
        paths: renamed in this order.
        used: when it was last used or written, in seconds since 1970.
        since: what was used after this moment stays.
        guard: a file that those hold who use it; None if it has none.
    """

    what: str
    paths: tuple[Path, ...]
    used: float
    since: float
    guard: Path | None = None

    @property
    def is_over(self) -> bool:
        """Whether nobody has used it for long enough."""
        return self.used < self.since

    @property
    def size(self) -> int:
        """Bytes of its files."""
        return sum(size_of(path) for path in self.paths)


def discard(home: Home, waste: Garbage) -> bool:
    """Rename it out of the way, unless somebody has begun to use it; tell whether it went."""
    with alone(waste.guard) if waste.guard else nullcontext(True) as is_free:
        if not is_free or modified_at(waste.guard or waste.paths[0]) >= waste.since:
            return False
        trash = next(each for each in _trash(home) if waste.paths[0].is_relative_to(each.parent))
        target = trash / uuid.uuid4().hex
        target.mkdir(parents=True)
        there = [path for path in waste.paths if path.exists()]
        for path in there:
            path.rename(target / path.name)
        return bool(there)


def empty_trash(home: Home) -> None:
    """Remove for good what was renamed out of the way, also by whoever was stopped over it."""
    for folder in _trash(home):
        for item in folder.glob("*"):
            shutil.rmtree(item, ignore_errors=True)


def size_of(path: Path) -> int:
    """Bytes of a file, or of all below a folder."""
    found = filter(None, map(_stat, (path, *_below(path))))
    return sum(each.st_size for each in found if stat.S_ISREG(each.st_mode))


def written_at(folder: Path) -> float:
    """When anything in a folder was last written, in seconds since 1970."""
    return max(map(modified_at, (folder, *_below(folder))))


def modified_at(path: Path) -> float:
    """When a file or folder was last written, in seconds since 1970; 0 if it is gone."""
    found = _stat(path)
    return found.st_mtime if found else 0.0


def _stat(path: Path) -> os.stat_result | None:
    try:
        return path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return None


def _below(folder: Path) -> Iterator[Path]:
    """All that lies below a folder, as far as it stays there: whoever works may rename or remove some meanwhile."""
    for root, folders, files in os.walk(folder):
        yield from (Path(root, name) for name in (*folders, *files))


def _trash(home: Home) -> tuple[Path, Path]:
    """Beside what goes there, as only within a file system a folder is renamed at once."""
    return home.store / TRASH, home.root / "cache" / TRASH
