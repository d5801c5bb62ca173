"""infra/airflow-init.sh, with a stand-in for Airflow that has no pool yet."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("password", [{}, {"AIRFLOW_ADMIN_PASSWORD": "from .env"}])
def test_the_job_that_makes_the_pools_writes_a_login_only_where_it_has_one(password, tmp_path):
    airflow, login = tmp_path / "airflow", tmp_path / "passwords.json"
    airflow.write_text(f'#!/bin/sh\necho "$@" >>{tmp_path}/asked\n[ "$2" != get ]\n')
    airflow.chmod(0o755)
    environment = {
        "PATH": f"{tmp_path}:{Path(sys.executable).parent}:/usr/bin:/bin",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(login),
        **password,
    }
    subprocess.run([CHECKOUT / "infra" / "airflow-init.sh"], check=True, env=environment)
    asked = (tmp_path / "asked").read_text().splitlines()
    assert [line.split()[2] for line in asked if line.startswith("pools set")] == ["gpu", "model"]
    written = json.loads(login.read_text()) if login.exists() else None
    assert written == ({"admin": "from .env"} if password else None)
