"""What the DAGs share: the form, the clock, credentials, and which errors are worth a retry."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

from airflow.sdk import Asset, CronTriggerTimetable, ExceptionRetryPolicy, Param, RetryAction, RetryRule

from dags import credentials, environment
from pipeline.core.settings.form import Field
from pipeline.core.terminal import escape_logs
from pipeline.core.variables import Variable

escape_logs()  # of every process that reads a DAG file, and so of every task

CAPTIONER = Asset("captioner", uri="x-nightcap://captioner")
CORRECTIONS = Asset("corrections", uri="x-nightcap://corrections")

# Every error of ours says in its class whether the same call may work later.
RETRIES: dict[str, Any] = {
    "pre_execute": credentials.of_nights,
    "retries": 2,
    "retry_delay": timedelta(seconds=30),
    "retry_policy": ExceptionRetryPolicy(
        rules=[
            RetryRule(exception="pipeline.core.errors.Permanent", action=RetryAction.FAIL),
            RetryRule(exception="pipeline.core.errors.BadInput", action=RetryAction.FAIL),
        ]
    ),
}


def _worker(queue: Variable, pod: Variable) -> dict[str, Any]:
    """The Celery queue and the Kubernetes pod template of some tasks, where the environment names them."""
    options = {"queue": queue.read(), "executor_config": {"pod_template_file": pod.read()} if pod.read() else None}
    return {name: value for name, value in options.items() if value}


# Where nothing is named, all tasks share Airflow's default queue and pod template. Tasks that hold a model while they train
# have a pool of their own, so that no night ever waits for a training.
_TRAINING_WORKER = _worker(environment.TRAINING_QUEUE, environment.TRAINING_POD)
TRAINING_ARGS: dict[str, Any] = RETRIES | {"pre_execute": credentials.of_training} | _TRAINING_WORKER
ON_GPU: dict[str, Any] = {"pool": "gpu"} | _TRAINING_WORKER | _worker(environment.GPU_QUEUE, environment.GPU_POD)

_DAG: dict[str, Any] = {"catchup": False, "max_active_runs": 1}
NIGHT_DAG: dict[str, Any] = _DAG | {"default_args": RETRIES, "tags": ["nightcap", "captions"]}
TRAINING_DAG: dict[str, Any] = _DAG | {"default_args": TRAINING_ARGS, "tags": ["nightcap", "training"]}


def timetable(schedule: Variable) -> CronTriggerTimetable:
    """When runs begin: by the cron expression of a variable, in `NIGHTCAP_TIMEZONE`."""
    return CronTriggerTimetable(schedule.read(), timezone=environment.TIMEZONE.read())


def form(fields: Iterable[Field]) -> dict[str, Param]:
    """Airflow's typed form of some settings."""
    return {
        field.name: Param(field.default, description=field.description, section=field.section, **field.schema)
        for field in fields
    }


def described(text: str) -> dict[str, str]:
    """A DAG's description in the list of DAGs and on its page, from its file's docstring: `name: what it does.`"""
    return {"description": text.partition(": ")[2].partition("\n")[0], "doc_md": text}


def approver(answer: Mapping[str, Any] | None) -> str | None:
    """Who approved, by what an `ApprovalOperator` returned; None where nobody was asked."""
    user = (answer or {}).get("responded_by_user") or {}
    return user.get("name") or user.get("id")
