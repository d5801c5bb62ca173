"""What the DAGs share: the form, the clock, credentials, and which errors are worth a retry."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

from airflow.sdk import Asset, CronTriggerTimetable, ExceptionRetryPolicy, Param, RetryAction, RetryRule
from croniter import croniter

from dags import credentials
from pipeline.core.errors import SettingsError
from pipeline.core.settings.form import Field

TIMEZONE = os.environ.get("NIGHTCAP_TIMEZONE", "UTC")

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


def _place(kind: str) -> dict[str, Any]:
    """The Celery queue and the Kubernetes pod template that the environment has for such tasks."""
    queue, pod = (os.environ.get(f"NIGHTCAP_{kind}_{what}") for what in ("QUEUE", "POD"))
    return ({"queue": queue} if queue else {}) | ({"executor_config": {"pod_template_file": pod}} if pod else {})


# Where nothing is named, Airflow's default queue and pod template are everybody's. What holds a model while training has a
# pool of its own, so that no night ever waits for a training.
TRAINING_POOL: dict[str, Any] = RETRIES | {"pre_execute": credentials.of_training} | _place("TRAINING_POOL")
ON_GPU: dict[str, Any] = {"pool": "gpu"} | _place("TRAINING_POOL") | _place("GPU")


def timetable(variable: str, usual: str) -> CronTriggerTimetable:
    """When runs begin: by the cron expression of a variable, in `NIGHTCAP_TIMEZONE`.

    Raises:
        SettingsError: one of them is mistyped, of which Airflow would name neither the variable nor a remedy.
    """
    try:
        ZoneInfo(TIMEZONE)
    except (KeyError, OSError, ValueError) as error:
        raise SettingsError(
            f"NIGHTCAP_TIMEZONE is {TIMEZONE!r}: no time zone; give one such as Europe/Paris"
        ) from error
    table = CronTriggerTimetable(os.environ.get(variable, usual), timezone=TIMEZONE)
    if not croniter.is_valid(table.expression):
        raise SettingsError(f"{variable} is {table.expression!r}: no cron expression; give one such as {usual}")
    return table


def form(fields: Iterable[Field]) -> dict[str, Param]:
    """Airflow's typed form of some settings."""
    return {
        field.name: Param(field.default, description=field.description, section=field.section, **field.schema)
        for field in fields
    }


def approver(answer: Mapping[str, Any] | None) -> str | None:
    """Who approved, by what an `ApprovalOperator` returned; None where nobody was asked."""
    user = (answer or {}).get("responded_by_user") or {}
    return user.get("name") or user.get("id")
