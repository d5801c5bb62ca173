"""Push a night's metrics to MLflow and a Pushgateway."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from pipeline.core.environment import Home
from pipeline.storage.files import read_json
from serving.monitoring.delivery import Sample, push_samples, warn_undelivered
from serving.monitoring.metrics import NIGHT_METRICS, PREFIX, samples_of
from serving.monitoring.statistics import NightStatistics
from serving.runs.plan_file import Plan

JOB: Final = "nightcap"


def push_night(plan: Plan, home: Home, published: bool) -> None:
    """Push the metrics, once when the night is held back and once when it is published; an undelivered push is a warning."""
    if not plan.statistics_file.is_file() or not plan.claim_push(published):
        return
    statistics = NightStatistics.model_validate(read_json(plan.statistics_file))
    samples = list(samples_of(plan, statistics, datetime.now(UTC), published))
    content = f"the metrics of night {plan.night}"
    if plan.settings.experiment:
        with warn_undelivered("MLflow", content):
            _log_run(plan, home, plan.settings.experiment, samples)
    if home.pushgateway:
        metrics = {f"{PREFIX}{name}": metric for name, metric in NIGHT_METRICS.items()}
        prefixed = [sample._replace(metric=f"{PREFIX}{sample.metric}") for sample in samples]
        with warn_undelivered("the Pushgateway", content):
            push_samples(home.pushgateway, JOB, {"table": plan.table}, metrics, prefixed, add=False)


def _log_run(plan: Plan, home: Home, experiment: str, samples: Sequence[Sample]) -> None:
    """One MLflow run for each night and attempt; its metrics are logged again when a held night is published."""
    from pipeline.registry.versions import Registry

    registry = Registry(home)
    with registry.answering():
        from mlflow import MlflowClient

        client = MlflowClient(home.tracking_uri)
        run = _run_id(client, registry.experiment(experiment), plan)
        for sample in samples:
            client.log_metric(run, sample.name, sample.value)
        client.set_terminated(run)


def _run_id(client: Any, experiment: str, plan: Plan) -> str:
    tags = {"night": plan.night, "run": plan.run}
    query = " and ".join(f"tags.{name} = '{value}'" for name, value in tags.items())  # names of folders: no quotes
    runs = client.search_runs([experiment], query, max_results=1)
    if runs:
        return str(runs[0].info.run_id)
    tags |= {"model": plan.model.name, "model_version": plan.model.version, "bundle_digest": plan.model.digest}
    return str(client.create_run(experiment, tags=tags, run_name=plan.night).info.run_id)
