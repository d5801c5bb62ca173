"""Push a night's metrics to MLflow and a Pushgateway."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from pipeline.core.environment import Home
from pipeline.registry.acceptance import acceptance_of
from pipeline.storage.files import read_json_if_whole
from serving.monitoring.delivery import Sample, push_samples, warn_undelivered
from serving.monitoring.metrics import NIGHT_METRICS, PREFIX, samples_of
from serving.monitoring.mlflow_nights import log_night
from serving.monitoring.statistics import NightStatistics
from serving.runs.plan_file import Plan

JOB: Final = "nightcap"


def push_night(plan: Plan, home: Home, published: bool) -> None:
    """Push the metrics, once when the night is held back and once when it is published; an undelivered push is a warning."""
    content = read_json_if_whole(plan.statistics_file)
    if content is None or not plan.claim_push(published):
        return
    statistics = NightStatistics.model_validate(content)
    samples = list(samples_of(plan, statistics, datetime.now(UTC), published))
    content = f"the metrics of night {plan.night}"
    if plan.settings.experiment:
        with warn_undelivered("MLflow", content):
            said = acceptance_of(home.store, plan.model.name, plan.model.version)
            heard = [*samples, *(Sample(*metric) for metric in said.metrics().items())] if said else samples
            log_night(plan, home, plan.settings.experiment, heard, statistics.alarms, published)
    if home.pushgateway:
        metrics = {f"{PREFIX}{name}": metric for name, metric in NIGHT_METRICS.items()}
        prefixed = [sample._replace(metric=f"{PREFIX}{sample.metric}") for sample in samples]
        with warn_undelivered("the Pushgateway", content):
            push_samples(home, JOB, {"table": plan.table}, metrics, prefixed, add=False)
