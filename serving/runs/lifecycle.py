"""The life cycle of a run's folder: planned, captioned, held or published, reported, ended, removed."""

from __future__ import annotations

import logging
import shutil
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from pipeline.core.errors import NightRejected
from pipeline.storage.files import read_json
from pipeline.storage.trash import Garbage, written_at
from serving.runs.plan_file import LATEST, Plan, plan_path

log = logging.getLogger(__name__)

HELD_FILE: Final = "held.json"
_DAY_S = 86_400


def is_published(plan: Plan, *written: Path) -> bool:
    """Whether another attempt has published the run meanwhile; what parts this one wrote since are removed.

    To be asked after a write, as only then no removal of the folder can have come before it unseen.

    Args:
        plan: of the run, as it was when the attempt began.
        written: files that go if the run is no more.

    Raises:
        NightRejected: the run was removed meanwhile, and perhaps planned anew with other images.
    """
    if plan.published_file.is_file():
        log.info("night %s, run %s was published by another attempt", plan.night, plan.run)
        shutil.rmtree(plan.parts, ignore_errors=True)
        return True
    if not _is_the_one(plan):
        for path in written:
            path.unlink(missing_ok=True)
        raise NightRejected(
            f"night {plan.night!r}, run {plan.run!r} was removed while a shard of it was at work, as `nightcap forget` "
            f"does; the next night captions its images"
        )
    return False


def held_night(store: Path, night: str) -> Path | None:
    """The plan of the run of a night that was held back and is not published yet, the last one planned."""
    found = [
        plan_path(path.parent)
        for path in (store / "nights").glob(f"[!.]*/[!.]*/{HELD_FILE}")
        if path.parent.parent.name == night and not (path.parent / "published.json").is_file()
    ]
    return max(found, key=lambda path: str(read_json(path)["planned_at"]), default=None)


def why_held(folder: Path) -> str | None:
    """Why the run in a folder is held back; None if it is not."""
    path = folder / HELD_FILE
    published = (folder / "published.json").is_file()
    return str(read_json(path)["message"]) if path.is_file() and not published else None


def has_ended(plan: Path) -> bool:
    """Whether a planned run was published, or had nothing to do."""
    return (plan.parents[1] / "published.json").is_file() or not read_json(plan)["counts"]["planned"]


def unreported(store: Path) -> Iterator[Path]:
    """Plans of runs whose captions are in the table, or may be, and that were not reported: whoever ran them may have died."""
    for path in sorted(store.glob("nights/[!.]*/[!.]*/plan/plan.json")):
        run = path.parents[1]
        if run.parent.name != LATEST and not (run / "summary.json").is_file() and read_json(path)["counts"]["planned"]:
            yield path


def open_models(store: Path) -> frozenset[str]:
    """Digests of the models that planned and unpublished nights have pinned, held ones among them."""
    return frozenset(read_json(plan)["model"]["digest"] for plan in _plans(store) if not has_ended(plan))


def ended_nights(store: Path, since: float) -> Iterator[Garbage]:
    """The files of runs that have ended and were not written to after a moment, in seconds since 1970."""
    for plan in _plans(store):
        run = plan.parents[1]
        folder = run.parent if [*run.parent.iterdir()] == [run] else run
        if has_ended(plan) and written_at(folder) < since:
            yield Garbage("night", (folder,), written_at(folder), since)


def clear_attempts(store: Path, keep_days: float) -> int:
    """Remove what nothing was written to for some days and nobody will publish; tell how many folders.

    These are unpublished runs, runs without a plan, parts of published runs, and scratch folders.
    """
    before = time.time() - keep_days * _DAY_S
    found = (*_unpublished(store), *orphaned_runs(store), *_late_parts(store), *scratch(store))
    stale = [path for path in found if written_at(path) < before]
    for path in stale:
        log.info("removing %s, last written to %.1f days ago", path, (time.time() - written_at(path)) / _DAY_S)
        shutil.rmtree(set_aside(path), ignore_errors=True)
    return len(stale)


def set_aside(run: Path) -> Path:
    """The folder of a run, or one in it, under a name of scratch, so that if its removal is stopped, half of it is never resumed."""
    if run.name.startswith("."):
        return run
    return run.rename(run.with_name(f".{run.name[:80]}.{uuid.uuid4().hex}"))


def orphaned_runs(store: Path) -> Iterator[Path]:
    """Folders of runs without a plan: it is being made, or a late shard wrote after the run was removed."""
    for run in store.glob("nights/[!.]*/[!.]*"):
        if run.parent.name != LATEST and run.is_dir() and not plan_path(run).is_file():
            yield run


def scratch(store: Path) -> Iterator[Path]:
    """Folders of nights that are half written or half removed."""
    for night in store.glob("nights/[!.]*"):
        if night.name != LATEST:
            yield from (path for path in (*night.glob(".*"), *night.glob("[!.]*/.*")) if path.is_dir())


def _unpublished(store: Path) -> Iterator[Path]:
    """Planned runs that wait to be published."""
    for plan in store.glob("nights/[!.]*/[!.]*/plan/plan.json"):
        if not has_ended(plan):
            yield plan.parents[1]


def _late_parts(store: Path) -> Iterator[Path]:
    """Parts that were written after their run was published."""
    for published in store.glob("nights/[!.]*/[!.]*/published.json"):
        yield from published.parent.glob("parts")


def _is_the_one(plan: Plan) -> bool:
    try:
        return bool(read_json(plan.path)["planned_at"] == plan.model_dump(mode="json")["planned_at"])
    except FileNotFoundError:
        return False


def _plans(store: Path) -> list[Path]:
    return sorted(store.glob("nights/[!.]*/[!.]*/plan/plan.json"))
