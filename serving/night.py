"""A whole night in one process, without Airflow."""

from __future__ import annotations

import logging
from functools import cache

from pipeline.captioner_types import PinnedModel
from pipeline.home import Home
from serving.plan import plan
from serving.plans import Attempt
from serving.publish import publish
from serving.report import report
from serving.settings import NightSettings
from serving.shard import Loader, caption_shard
from serving.summary import NightSummary

log = logging.getLogger(__name__)


def run_night(settings: NightSettings, home: Home, model: PinnedModel, load: Loader, attempt: Attempt) -> NightSummary:
    """Plan, caption, publish and report; the same attempt again resumes where it stopped.

    With nothing to caption no model is loaded and the table is not written.

    Args:
        settings: of the night; `settings.model` is what `model` was resolved from.
        home: where the run's files lie.
        model: the pinned version.
        load: gives the captioner of a pinned version.
        attempt: which night, and who tries.

    Raises:
        NightcapError: any branch of it except a bad picture's.
    """
    planned = plan(settings, home, model, attempt)
    if planned["shards"]:
        once = cache(load)
        for shard in range(planned["shards"]):
            caption_shard(planned["plan"], shard, once)
        publish(planned["plan"], settings.accept_quarantine)
    else:
        log.info("night %s: nothing new in %s", attempt.night, settings.input or home.inbox)
    return report(planned["plan"])
