"""Tell MLflow and a Pushgateway what a night was like. Neither can stop a night: what fails there is a warning."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Final

from pipeline.core.environment import Home
from pipeline.core.redaction import scrubbed
from pipeline.storage.files import read_json
from serving.monitoring.metrics import NIGHT_METRICS, PREFIX, Sample, samples_of
from serving.monitoring.statistics import Figures
from serving.runs.plan_file import Plan

log = logging.getLogger(__name__)

JOB: Final = "nightcap"
NIGHT_TAG, RUN_TAG = "night", "run"
_TIMEOUT_S: Final = 10.0


def push_night(plan: Plan, home: Home, published: bool) -> None:
    """Tell MLflow and the Pushgateway, once of a night that is held back and once of it published."""
    if not plan.statistics_file.is_file() or not plan.claim_push(published):
        return
    figures = Figures.model_validate(read_json(plan.statistics_file))
    samples = list(samples_of(plan, figures, datetime.now(UTC), published))
    if plan.settings.experiment:
        with _warning("MLflow", plan.night):
            _log_run(plan, home, plan.settings.experiment, samples)
    if home.pushgateway:
        with _warning("the Pushgateway", plan.night):
            push_samples(home.pushgateway, plan.table, samples)


def push_samples(url: str, table: str, samples: Sequence[Sample]) -> None:
    """Replace the last night's metrics of a table at a Pushgateway.

    Raises:
        OSError: it does not answer, or refuses them.
    """
    from prometheus_client import CollectorRegistry, Gauge, push_to_gateway

    registry = CollectorRegistry()
    gauges = {
        name: Gauge(f"{PREFIX}{name}", metric.meaning, [metric.label] if metric.label else [], registry=registry)
        for name, metric in NIGHT_METRICS.items()
        if any(sample.metric == name for sample in samples)
    }
    for sample in samples:
        gauge = gauges[sample.metric]
        (gauge.labels(sample.label) if sample.label else gauge).set(sample.value)
    push_to_gateway(url, JOB, registry, {"table": table}, _TIMEOUT_S)


def _log_run(plan: Plan, home: Home, experiment: str, samples: Sequence[Sample]) -> None:
    """A run a night and attempt; the one that is there is told anew."""
    from pipeline.registry.versions import Registry

    registry = Registry(home)
    with registry.answering():
        from mlflow import MlflowClient

        client = MlflowClient(home.tracking_uri)
        run = _run_of(client, registry.experiment(experiment), plan)
        for sample in samples:
            client.log_metric(run, sample.name, sample.value)
        client.set_terminated(run)


def _run_of(client: Any, experiment: str, plan: Plan) -> str:
    tags = {NIGHT_TAG: plan.night, RUN_TAG: plan.run}
    query = " and ".join(f"tags.{name} = '{value}'" for name, value in tags.items())  # names of folders: no quotes
    found = client.search_runs([experiment], query, max_results=1)
    if found:
        return str(found[0].info.run_id)
    about = {"model": plan.model.name, "model_version": plan.model.version, "bundle_digest": plan.model.digest}
    return str(client.create_run(experiment, tags=tags | about, run_name=plan.night).info.run_id)


@contextmanager
def _warning(whom: str, night: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # whatever it is, the night matters more
        log.warning("night %s: %s was not told of it: %s", night, whom, scrubbed(error))
