"""A whole night in one process, without Airflow."""

from __future__ import annotations

import logging
from dataclasses import replace
from functools import cache
from pathlib import Path

from pipeline.core.environment import Home
from pipeline.core.errors import NightcapError
from pipeline.model.interface import PinnedModel
from pipeline.storage.tables import CaptionTable
from serving.caption_shard import Loader, caption_shard
from serving.planning.plan import plan
from serving.publish import publish_and_push
from serving.reporting.report import report
from serving.reporting.summary import NightSummary
from serving.runs.lifecycle import unreported_runs
from serving.runs.plan_file import Attempt, Plan
from serving.runs.settings import NightSettings

log = logging.getLogger(__name__)


def run_night(settings: NightSettings, home: Home, model: PinnedModel, load: Loader, attempt: Attempt) -> NightSummary:
    """Plan, caption, publish and report; the same attempt again resumes where it stopped.

    With nothing to caption no model is loaded and the table is not written. Nights that died between publishing and
    reporting are reported first, as nobody may come back to them by their name.

    Args:
        settings: of the night; `settings.model` is what `model` was resolved from.
        home: where the run's files lie.
        model: the pinned version.
        load: gives the captioner of a pinned version.
        attempt: which night, and who tries.

    Raises:
        NightcapError: any branch of it except a bad image's.
    """
    _finish_others(home, attempt)
    planned = plan(settings, home, model, attempt)
    if planned["shards"]:
        once = cache(load)
        for shard in range(planned["shards"]):
            caption_shard(planned["plan"], shard, once)
        return _published(planned["plan"], home, settings.accept_quarantine, settings.accept_drift)
    log.info("night %s: nothing new in %s", attempt.night, settings.input or home.input)
    return report(planned["plan"])


def publish_held(plan_path: Path, home: Home, accept_quarantine: bool, accept_drift: bool) -> NightSummary:
    """Publish a night that was held back, as far as it is accepted now, and report it; nothing is captioned.

    Raises:
        NightcapError: as `run_night`.
    """
    return _published(plan_path, home, accept_quarantine, accept_drift)


def _finish_others(home: Home, attempt: Attempt) -> None:
    """Report what other runs have published and did not report; what cannot be finished is a warning."""
    for unreported in unreported_runs(home.store):
        path, (night, run) = unreported.path, unreported.names
        try:
            if (night, run) != (attempt.night, attempt.run) and _is_in_table(Plan.read(path)):
                log.warning("night %s, run %s was published and not reported; that is done now", night, run)
                _published(path, home, accept_quarantine=False, accept_drift=False)
        except (NightcapError, OSError, ValueError) as error:  # an older plan may not be one of today's
            told = "night %s, run %s has no report and perhaps no outputs: %s; the next night tries again"
            log.warning(told, night, run, error)


def _is_in_table(plan: Plan) -> bool:
    return plan.is_published or CaptionTable(plan.table).run_of(plan.night) == plan.run


def _published(plan_path: str | Path, home: Home, accept_quarantine: bool, accept_drift: bool) -> NightSummary:
    """Publish a run and report it; of several who do one hears that it was not published before."""
    outcome = publish_and_push(plan_path, home, accept_quarantine, accept_drift)
    return replace(report(plan_path), already_published=outcome["already_published"])
