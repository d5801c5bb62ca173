"""Airflow's secrets backends take the place of the environment."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
CONNECTIONS = {
    "nightcap_nights_s3": {"conn_type": "aws", "login": "nights", "password": "of nights"},
    "nightcap_training_s3": {
        "conn_type": "aws",
        "login": "training",
        "password": "of training",
        "extra": {"aws_session_token": "for an hour"},
    },
    "nightcap_training_mlflow": {"conn_type": "http", "login": "trainer", "password": "of the trainer"},
}
BEFORE = {"AWS_ACCESS_KEY_ID": "old", "AWS_SECRET_ACCESS_KEY": "old", "AWS_SESSION_TOKEN": "old"}


@pytest.fixture(scope="module")
def backend(tmp_path_factory):
    """The environment of a process whose Airflow looks into files first."""
    folder = tmp_path_factory.mktemp("backend")
    files = {"connections": CONNECTIONS, "variables": {"nightcap_webhook": "https://hooks.test/secret"}}
    for name, content in files.items():
        (folder / f"{name}.json").write_text(json.dumps(content))
    kwargs = {f"{name}_file_path": str(folder / f"{name}.json") for name in files}
    return {
        "AIRFLOW_HOME": str(folder),
        "AIRFLOW__SECRETS__BACKEND": "airflow.secrets.local_filesystem.LocalFilesystemBackend",
        "AIRFLOW__SECRETS__BACKEND_KWARGS": json.dumps(kwargs),
    }


def taken(environment, *names):
    command = [sys.executable, CHECKOUT / "tests" / "dags" / "credentials_taken.py", *names]
    paths = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(CHECKOUT)}
    done = subprocess.run(command, env=paths | BEFORE | environment, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def test_a_connection_takes_the_place_of_all_credentials_of_its_kind_and_role(backend):
    assert taken(backend, "of_nights") == {"AWS_ACCESS_KEY_ID": "nights", "AWS_SECRET_ACCESS_KEY": "of nights"}
    assert taken(backend, "of_training", "of_webhook") == {
        "AWS_ACCESS_KEY_ID": "training",
        "AWS_SECRET_ACCESS_KEY": "of training",
        "AWS_SESSION_TOKEN": "for an hour",
        "MLFLOW_TRACKING_USERNAME": "trainer",
        "MLFLOW_TRACKING_PASSWORD": "of the trainer",
        "NIGHTCAP_WEBHOOK": "https://hooks.test/secret",
    }


def test_variables_of_the_environment_are_a_backend_too(tmp_path):
    found = {
        "AIRFLOW_HOME": str(tmp_path),
        "AIRFLOW_CONN_NIGHTCAP_NIGHTS_MLFLOW": json.dumps(CONNECTIONS["nightcap_training_mlflow"]),
        "AIRFLOW_VAR_NIGHTCAP_WEBHOOK": "https://hooks.test/another",
    }
    assert taken(found, "of_nights", "of_webhook") == BEFORE | {
        "MLFLOW_TRACKING_USERNAME": "trainer",
        "MLFLOW_TRACKING_PASSWORD": "of the trainer",
        "NIGHTCAP_WEBHOOK": "https://hooks.test/another",
    }


def test_without_a_backend_the_environment_stays(tmp_path):
    assert taken({"AIRFLOW_HOME": str(tmp_path)}, "of_nights", "of_training", "of_webhook") == BEFORE
