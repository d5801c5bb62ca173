"""Take pictures out of what nights have kept: lists, galleries and outputs."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Collection
from pathlib import Path

from pipeline.files import read_json, write_json, write_text
from pipeline.scrub import lines_without, pruned
from pipeline.table import CaptionTable
from pipeline.table.schema import one_of
from serving.leftovers import set_aside
from serving.outputs import forget_sidecars
from serving.plans import Plan

log = logging.getLogger(__name__)


def digests_of(table: CaptionTable, images: Collection[str]) -> frozenset[str]:
    """SHA-256 of the bytes that some images have had."""
    rows = table.batches(one_of("image", images), ["sha256"])
    return frozenset(sha for batch in rows for sha in batch["sha256"].to_pylist() if sha)


def strip_nights(store: Path, images: Collection[str]) -> list[Path]:
    """Take images out of the lists of nights, remove the galleries and text files that show them.

    Must come before the images are taken out of the table; afterwards each of these nights is to be
    reported again. A run that is not published yet is removed whole: the next night plans its other
    pictures anew.

    Returns:
        The plans of the nights to report.
    """
    plans = sorted(store.glob("nights/*/*/plan/plan.json"))
    return [path for path in plans if _strip(path, images)]


def _strip(path: Path, images: Collection[str]) -> bool:
    """Whether a night had the images and is there still."""
    shards = sorted(path.parent.glob("*.jsonl"))
    lists = {shard: kept for shard in shards if (kept := lines_without(shard, images)) is not None}
    decided = read_json(path)
    if not lists and pruned(decided, images) == decided:
        return False
    plan = Plan.read(path)
    if plan.counts.planned and not plan.published_file.is_file():
        log.warning("night %s, run %s is removed: it has a picture to forget and is unpublished", plan.night, plan.run)
        shutil.rmtree(set_aside(plan.folder))
        return False
    shutil.rmtree(plan.folder / "gallery", ignore_errors=True)
    forget_sidecars(plan, images)
    write_json(path, pruned(decided, images))
    for shard, kept in lists.items():
        write_text(shard, kept)
    return True
