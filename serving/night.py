"""A whole night in one process, without Airflow."""

from __future__ import annotations

import logging
from dataclasses import replace
from functools import cache
from pathlib import Path

from pipeline.core.environment import Home
from pipeline.core.errors import NightcapError
from pipeline.model.interface import PinnedModel
from serving.caption_shard import Loader, caption_shard
from serving.planning.plan import plan
from serving.publish import publish_and_push
from serving.reporting.report import report
from serving.reporting.summary import NightSummary
from serving.runs.lifecycle import unreported_runs
from serving.runs.plan_file import Attempt
from serving.runs.settings import NightSettings

log = logging.getLogger(__name__)


def run_night(settings: NightSettings, home: Home, model: PinnedModel, load: Loader, attempt: Attempt) -> NightSummary:
    """Plan, caption, publish and report; the same attempt again resumes where it stopped.

    With nothing to caption no model is loaded and the table is not written. Nights whose process died between
    publishing and reporting are reported first, as nobody may resume them by their name. `model` is the version that
    `settings.model` was resolved to.
    """
    _report_others(home, attempt)
    planned = plan(settings, home, model, attempt)
    if planned["shards"]:
        load_once = cache(load)
        for shard in range(planned["shards"]):
            caption_shard(planned["plan"], shard, load_once)
        return publish_and_report(planned["plan"], home, settings.accept_quarantine, settings.accept_drift)
    log.info("night %s: nothing new in %s", attempt.night, settings.input or home.input)
    return report(planned["plan"])


def publish_and_report(plan_path: str | Path, home: Home, accept_quarantine: bool, accept_drift: bool) -> NightSummary:
    """Publish a captioned run with what is accepted now, and report it."""
    outcome = publish_and_push(plan_path, home, accept_quarantine, accept_drift)
    # Of several calls that publish a run, all but one learn that it was published already.
    return replace(report(plan_path), already_published=outcome["already_published"])


def _report_others(home: Home, attempt: Attempt) -> None:
    """Report runs that others have published and not reported; an error is a warning."""
    for unreported in unreported_runs(home.store):
        path, (night, run) = unreported.path, unreported.names
        try:
            if (night, run) != (attempt.night, attempt.run) and unreported.is_in_table:
                log.warning("night %s, run %s was published and not reported; that is done now", night, run)
                publish_and_report(path, home, accept_quarantine=False, accept_drift=False)
        except (NightcapError, OSError, ValueError) as error:  # the plan may be older and not valid any more
            message = "night %s, run %s has no report and perhaps no outputs: %s; the next night tries again"
            log.warning(message, night, run, error)
