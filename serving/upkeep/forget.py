"""Take images out of what nights have kept: lists, galleries and outputs."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Collection
from pathlib import Path

from pipeline.storage.files import read_json, write_json, write_text
from pipeline.storage.scrub import lines_without, pruned
from pipeline.storage.tables import CaptionTable
from pipeline.storage.tables.schema import one_of
from serving.reporting.outputs import forget_outputs
from serving.reporting.outputs.index import noted, prune
from serving.runs.lifecycle import planned_runs, scratch_folders, set_aside, unplanned_runs
from serving.runs.plan_file import Plan

log = logging.getLogger(__name__)


def digests_of(table: CaptionTable, images: Collection[str]) -> frozenset[str]:
    """SHA-256 of the bytes that some images have had."""
    rows = table.batches(one_of("image", images), ["sha256"])
    return frozenset(sha for batch in rows for sha in batch["sha256"].to_pylist() if sha)


def strip_nights(store: Path, images: Collection[str]) -> list[Path]:
    """Take images out of the lists of nights, remove the galleries and text files that show them.

    Must come before the images are taken out of the table; afterwards each of these nights is to be
    reported again. A run that is not published yet is removed whole: the next night plans its other
    images anew.

    Returns:
        The plans of the nights to report.
    """
    for left in scratch_folders(store):
        if _is_removed(left, store) or _lists(left, images):
            shutil.rmtree(left, ignore_errors=True)
    for run in unplanned_runs(store):
        if (run / "parts").exists():  # of a late shard; a plan that is being made has none
            shutil.rmtree(set_aside(run))
    return [run.path for run in planned_runs(store) if _strip(run.path, images)]


def strip_outputs(store: Path, images: Collection[str]) -> list[Plan]:
    """Take images out of the outputs of nights whose own files are gone.

    Must come before the images are taken out of the table, which tells what these nights captioned.

    Returns:
        What these nights were planned to do; their outputs are to be written again.
    """
    prune(store, images)
    runs: dict[str, set[tuple[str, str]]] = {}
    found = []
    for plan in noted(store):
        if plan.table not in runs:
            runs[plan.table] = _runs_of(CaptionTable(plan.table), images)
        if (plan.night, plan.run) in runs[plan.table] and not plan.path.is_file():
            forget_outputs(plan, images)
            found.append(plan)
    return found


def _runs_of(table: CaptionTable, images: Collection[str]) -> set[tuple[str, str]]:
    """Night and run of every row of some images."""
    rows = (row for batch in table.batches(one_of("image", images), ["night", "run"]) for row in batch.to_pylist())
    return {(row["night"], row["run"]) for row in rows}


def _is_removed(left: Path, store: Path) -> bool:
    """Whether scratch was a whole run, which somebody was removing."""
    return left.parent.parent == store / "nights"


def _lists(folder: Path, images: Collection[str]) -> bool:
    """Whether lists of shards name some images."""
    return any(lines_without(shard, images) is not None for shard in folder.glob("*.jsonl"))


def _strip(path: Path, images: Collection[str]) -> bool:
    """Whether a night had the images and is there still."""
    shards = sorted(path.parent.glob("*.jsonl"))
    lists = {shard: kept for shard in shards if (kept := lines_without(shard, images)) is not None}
    decided = read_json(path)
    if not lists and pruned(decided, images) == decided:
        return False
    plan = Plan.read(path)
    if not plan.has_ended:
        log.warning("night %s, run %s is removed: it has an image to forget and is unpublished", plan.night, plan.run)
        shutil.rmtree(set_aside(plan.folder))
        return False
    # Whoever published or reported it may have died over its parts, or left a page half written.
    for shown in (plan.gallery, plan.parts, *plan.folder.glob(".*")):
        shutil.rmtree(shown, ignore_errors=True)
    forget_outputs(plan, images)
    write_json(path, pruned(decided, images))
    for shard, kept in lists.items():
        write_text(shard, kept)
    return True
