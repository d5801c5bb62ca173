"""What Airflow makes of the DAG files, in several surroundings, read once in a process of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def facts(tmp_path_factory):
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "NIGHTCAP_"))}
    airflow = {
        "AIRFLOW_HOME": str(tmp_path_factory.mktemp("airflow")),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(CHECKOUT / "dags/plugins"),
    }
    env = {**kept, **airflow, "PYTHONPATH": str(CHECKOUT)}
    command = [sys.executable, str(Path(__file__).with_name("dag_facts.py"))]
    done = subprocess.run(command, cwd=CHECKOUT, env=env, capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="session")
def dags(facts):
    return facts["usual"]["dags"]
