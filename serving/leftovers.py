"""What nights leave behind that nobody needs: attempts that were never published, scratch of processes that died."""

from __future__ import annotations

import logging
import shutil
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

from pipeline.files import read_json
from pipeline.housekeeping.trash import written_at
from serving.plans import LATEST, plan_path

log = logging.getLogger(__name__)

DAY_S = 86_400


def clear_attempts(store: Path, keep_days: float) -> int:
    """Remove what nothing was written to for some days and nobody will publish; tell how many folders.

    These are unpublished runs, runs without a plan, parts of published runs, and scratch folders.
    """
    before = time.time() - keep_days * DAY_S
    found = (*_unpublished(store), *orphans(store), *_late_parts(store), *scratch(store))
    stale = [path for path in found if written_at(path) < before]
    for path in stale:
        log.info("removing %s, last written to %.1f days ago", path, (time.time() - written_at(path)) / DAY_S)
        shutil.rmtree(set_aside(path), ignore_errors=True)
    return len(stale)


def set_aside(run: Path) -> Path:
    """The folder of a run, or one in it, under a name of scratch, so that if its removal is stopped, half of it is never resumed."""
    if run.name.startswith("."):
        return run
    return run.rename(run.with_name(f".{run.name[:80]}.{uuid.uuid4().hex}"))


def _unpublished(store: Path) -> Iterator[Path]:
    """Planned runs that wait to be published."""
    for plan in store.glob("nights/[!.]*/[!.]*/plan/plan.json"):
        if not has_ended(plan):
            yield plan.parents[1]


def orphans(store: Path) -> Iterator[Path]:
    """Folders of runs without a plan: it is being made, or a late shard wrote after the run was removed."""
    for run in store.glob("nights/[!.]*/[!.]*"):
        if run.parent.name != LATEST and run.is_dir() and not plan_path(run).is_file():
            yield run


def _late_parts(store: Path) -> Iterator[Path]:
    """Parts that were written after their run was published."""
    for published in store.glob("nights/[!.]*/[!.]*/published.json"):
        yield from published.parent.glob("parts")


def has_ended(plan: Path) -> bool:
    """Whether a planned run was published, or had nothing to do."""
    return (plan.parents[1] / "published.json").is_file() or not read_json(plan)["counts"]["planned"]


def unreported(store: Path) -> Iterator[Path]:
    """Plans of runs whose captions are in the table, or may be, and that were not reported: whoever ran them may have died."""
    for path in sorted(store.glob("nights/[!.]*/[!.]*/plan/plan.json")):
        run = path.parents[1]
        if run.parent.name != LATEST and not (run / "summary.json").is_file() and read_json(path)["counts"]["planned"]:
            yield path


def scratch(store: Path) -> Iterator[Path]:
    """Folders of nights that are half written or half removed."""
    for night in store.glob("nights/[!.]*"):
        if night.name != LATEST:
            yield from (path for path in (*night.glob(".*"), *night.glob("[!.]*/.*")) if path.is_dir())
