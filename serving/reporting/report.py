"""Report a night: its outputs, `summary.json`, a gallery page, and a link to the latest night."""

from __future__ import annotations

import os
from pathlib import Path
from uuid import uuid4

from pipeline.storage.files import write_json
from pipeline.storage.forgotten import Forgotten, heeding_forgotten
from serving.reporting.gallery import write_gallery
from serving.reporting.outputs import write_outputs
from serving.reporting.published_rows import PublishedRows
from serving.reporting.summary import NightSummary, summarize
from serving.runs.lifecycle import LATEST
from serving.runs.plan_file import Plan


def report(plan_path: str | Path) -> NightSummary:
    """Write the outputs, `summary.json` and `gallery/index.html` of a run that is published or had nothing to do.

    If the night had images, `nights/latest` becomes a link to the run's folder. Raises ObjectUnavailable if the table
    held rows and is not there any more: the files of an earlier report stay.
    """
    plan = Plan.read(plan_path)
    summary = _report(plan, anew=False)
    if plan.counts.planned:
        _point(plan.folder.parent.parent / LATEST, plan.folder)
    return summary


def report_anew(plan: Plan) -> None:
    """Write what a run's report says once more, without images that were forgotten since; no page is ever missing."""
    _report(plan, anew=True)


def _report(plan: Plan, anew: bool) -> NightSummary:
    table = plan.open_table()
    while True:
        forgotten = Forgotten.of(plan.store)
        rows = PublishedRows(plan, table, forgotten)
        summary = summarize(plan, rows, write_outputs(plan))
        with heeding_forgotten(plan.store) as now:
            if now == forgotten and (anew or not plan.has_gallery):  # a night that is reported again opens no image
                write_gallery(plan, summary, rows)
        write_json(plan.summary_file, summary.to_json())
        if Forgotten.of(plan.store) == forgotten:
            return summary
        anew = True


def _point(link: Path, folder: Path) -> None:
    """Make a relative link, replacing the one there in one step."""
    fresh = link.with_name(f".{link.name}.{uuid4().hex}")
    fresh.symlink_to(os.path.relpath(folder, link.parent))
    try:
        fresh.replace(link)
    except BaseException:
        fresh.unlink()
        raise
