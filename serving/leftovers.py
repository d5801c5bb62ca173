"""What nights leave behind that nobody needs: attempts that were never published, scratch of processes that died."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

log = logging.getLogger(__name__)

DAY_S = 86_400


def clear_attempts(store: Path, keep_days: float) -> int:
    """Remove unpublished runs and scratch folders that nothing was written to for some days; tell how many."""
    before = time.time() - keep_days * DAY_S
    stale = [path for path in (*_unpublished(store), *_scratch(store)) if _latest(path) < before]
    for path in stale:
        log.info("removing %s, last written to %.1f days ago", path, (time.time() - _latest(path)) / DAY_S)
        shutil.rmtree(path, ignore_errors=True)
    return len(stale)


def _unpublished(store: Path) -> Iterator[Path]:
    """Runs with parts that wait to be published."""
    for parts in store.glob("nights/*/*/parts"):
        if not (parts.parent / "published.json").is_file():
            yield parts.parent


def _scratch(store: Path) -> Iterator[Path]:
    for pattern in ("nights/*/*/.*", "nights/*/.*"):
        yield from (path for path in store.glob(pattern) if path.is_dir())


def _latest(folder: Path) -> float:
    """When anything in a folder was last written to, in seconds since 1970."""
    times = [_modified(path) for path in (folder, *folder.rglob("*"))]
    return max(times)


def _modified(path: Path) -> float:
    try:
        return path.lstat().st_mtime
    except FileNotFoundError:
        return 0.0
