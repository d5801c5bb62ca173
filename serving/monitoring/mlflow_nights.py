"""Nights in MLflow: an experiment, and in it one run for each night and attempt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pipeline.core.environment import Home
from serving.monitoring.delivery import Sample
from serving.runs.plan_file import Plan


def log_night(plan: Plan, home: Home, experiment: str, samples: Sequence[Sample]) -> None:
    """Log a night's metrics to its MLflow run, once more when a held night is published."""
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
