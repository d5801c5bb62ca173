"""Credentials from Airflow's secrets backends, which take the place of the environment's for the rest of a process.

A task asks for the connections of its role, `nightcap_nights_s3` and `nightcap_nights_mlflow` or `nightcap_training_...`: login and
password, and for S3 `aws_session_token` in extra. The notifier of nights asks for the variable `nightcap_webhook`.
"""

from __future__ import annotations

import logging
import os
from typing import Any

from airflow.sdk import Connection, Variable
from airflow.sdk.exceptions import AirflowNotFoundException
from airflow.sdk.log import mask_secret

log = logging.getLogger(__name__)

WEBHOOK = "nightcap_webhook"


def of_nights(context: Any = None) -> None:
    """Before a task that captions."""
    _take("nights")


def of_training(context: Any = None) -> None:
    """Before a task that trains or promotes."""
    _take("training")


def of_webhook() -> None:
    """Before people are notified of a night."""
    if url := Variable.get(WEBHOOK, default=None):
        mask_secret(url)
        os.environ["NIGHTCAP_WEBHOOK"] = url


def _take(role: str) -> None:
    if s3 := _connection(f"nightcap_{role}_s3"):
        _set("AWS_ACCESS_KEY_ID", s3.login)
        _set("AWS_SECRET_ACCESS_KEY", s3.password)
        _set("AWS_SESSION_TOKEN", s3.extra_dejson.get("aws_session_token"))
    if mlflow := _connection(f"nightcap_{role}_mlflow"):
        _set("MLFLOW_TRACKING_USERNAME", mlflow.login)
        _set("MLFLOW_TRACKING_PASSWORD", mlflow.password)


def _connection(name: str) -> Connection | None:
    try:
        connection = Connection.get(name)
    except AirflowNotFoundException:  # also where a backend does not answer
        log.info("no connection %s; the credentials of the environment stay", name)
        return None
    log.info("credentials of Airflow's connection %s", name)
    return connection


def _set(variable: str, value: str | None) -> None:
    """Set a variable, or remove it where the connection leaves it out."""
    if value:
        os.environ[variable] = value
    else:
        os.environ.pop(variable, None)
