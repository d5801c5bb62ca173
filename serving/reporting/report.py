"""Report a night: its outputs, `summary.json`, a gallery page, and a link to the latest night."""

from __future__ import annotations

import os
from pathlib import Path
from uuid import uuid4

from pipeline.storage.files import write_json
from pipeline.storage.tables import CaptionTable
from serving.reporting.gallery import write_gallery
from serving.reporting.outputs import write_outputs
from serving.reporting.summary import NightSummary, summarize
from serving.runs.lifecycle import LATEST
from serving.runs.plan_file import Plan


def report(plan_path: str | Path) -> NightSummary:
    """Write the outputs, `summary.json` and `gallery/index.html` of a run that is published or had nothing to do.

    If the night had images, `nights/latest` becomes a link to the run's folder.
    """
    plan = Plan.read(plan_path)
    rows = CaptionTable(plan.table).rows(plan.night, plan.run)
    summary = summarize(plan, rows, write_outputs(plan))
    if not plan.gallery.is_dir():  # a night that is reported again opens no image
        write_gallery(plan, summary, rows)
    write_json(plan.summary_file, summary.to_json())
    if plan.counts.planned:
        _point(plan.folder.parent.parent / LATEST, plan.folder)
    return summary


def _point(link: Path, folder: Path) -> None:
    """Make a relative link, replacing the one there in one step."""
    fresh = link.with_name(f".{link.name}.{uuid4().hex}")
    fresh.symlink_to(os.path.relpath(folder, link.parent))
    try:
        fresh.replace(link)
    except BaseException:
        fresh.unlink()
        raise
