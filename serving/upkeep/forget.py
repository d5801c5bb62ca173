"""Remove images from the lists, galleries and outputs of nights."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Collection
from functools import cache
from pathlib import Path

from pipeline.storage.files import read_json, write_bytes, write_json
from pipeline.storage.scrub import lines_without, pruned
from pipeline.storage.tables import CaptionTable
from pipeline.storage.tables.schema import one_of
from serving.reporting.outputs import forget_outputs
from serving.reporting.outputs.index import indexed_runs, prune_index
from serving.runs.lifecycle import RunFolder, planned_runs, scratch_folders, set_aside, unplanned_runs
from serving.runs.plan_file import Plan

log = logging.getLogger(__name__)


def digests_of(table: CaptionTable, images: Collection[str]) -> frozenset[str]:
    """SHA-256 of all bytes that images have had."""
    rows = table.batches(one_of("image", images), ["sha256"])
    return frozenset(sha for batch in rows for sha in batch["sha256"].to_pylist() if sha)


def strip_nights(store: Path, images: Collection[str]) -> list[Path]:
    """Remove images from the lists of nights, and the galleries and text files that show them.

    Must come before the images are removed from the table. A run that is not published yet is removed as a whole: the
    next night plans its other images anew. Returns the plans of the nights to report again afterwards.
    """
    for scratch in scratch_folders(store):
        is_run = scratch.parent.parent == store / "nights"  # that somebody was removing
        if is_run or any(lines_without(shard, images) is not None for shard in scratch.glob("*.jsonl")):
            shutil.rmtree(scratch, ignore_errors=True)
    for run in unplanned_runs(store):
        if RunFolder(folder=run).parts.exists():  # of a shard that ended late; a plan that is being made has none
            shutil.rmtree(set_aside(run))
    return [run.path for run in planned_runs(store) if _strip(run, images)]


def strip_outputs(store: Path, images: Collection[str]) -> list[Plan]:
    """Remove images from the outputs of nights whose own files are gone; returns these to be written again.

    Must come before the images are removed from the table, which has the images of these nights.
    """

    @cache
    def runs_of(table: str) -> set[tuple[str, str]]:
        batches = CaptionTable(table).batches(one_of("image", images), ["night", "run"])
        return {(row["night"], row["run"]) for batch in batches for row in batch.to_pylist()}

    prune_index(store, images)
    plans = []
    for plan in indexed_runs(store):
        if (plan.night, plan.run) in runs_of(plan.table) and not plan.path.is_file():
            forget_outputs(plan, images)
            plans.append(plan)
    return plans


def _strip(run: RunFolder, images: Collection[str]) -> bool:
    """Remove images from a run; returns whether it had them and is not removed."""
    lists = {path: rest for path in run.shard_lists if (rest := lines_without(path, images)) is not None}
    content = read_json(run.path)
    if not lists and pruned(content, images) == content:
        return False
    plan = Plan.read(run.path)
    if not plan.has_ended:
        log.warning("night %s, run %s is removed: it has an image to forget and is unpublished", plan.night, plan.run)
        shutil.rmtree(set_aside(plan.folder))
        return False
    # A process that died may have left parts, or a page half written.
    for folder in (plan.gallery, plan.parts, *plan.folder.glob(".*")):
        shutil.rmtree(folder, ignore_errors=True)
    forget_outputs(plan, images)
    write_json(run.path, pruned(content, images))
    for path, rest in lists.items():
        write_bytes(path, rest)
    return True
