"""Nights in MLflow: an experiment, and in it one run for each night and attempt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.core.environment import Home
from serving.monitoring.delivery import Sample
from serving.runs.plan_file import Plan

_EXPERIMENT = (
    "Nights of Nightcap: a run for each, with its counts, times, spreads and drift. A night that is held back says so in "
    "its name and in the tag `state`, until a person publishes it."
)


def log_night(
    plan: Plan, home: Home, experiment: str, samples: Sequence[Sample], alarms: Mapping[str, str], published: bool
) -> None:
    """Log a night's metrics to its MLflow run, once more when a held night is published; alarms say why it is held."""
    from pipeline.registry.versions import NOTE_TAG, Registry

    registry = Registry(home)
    with registry.answering():
        from mlflow import MlflowClient

        client = MlflowClient(home.tracking_uri)
        run = _run_id(client, registry.experiment(experiment, _EXPERIMENT), plan)
        state = "published" if published else "held"
        client.update_run(run, name=plan.night if published else f"{plan.night} (held back)")
        client.set_tag(run, "state", state)
        client.set_tag(run, NOTE_TAG, "; ".join([state, *alarms.values()]))
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
