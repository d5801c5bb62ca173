"""infra/airflow-init.sh, with stand-ins for Airflow, which has no pool yet, and for what makes accounts."""

import subprocess
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]


def test_tables_come_first_then_pools_then_accounts(tmp_path):
    for name in ("airflow", "airflow-accounts"):
        (tmp_path / name).write_text(f'#!/bin/sh\necho "{name} $*" >>{tmp_path}/asked\n[ "$2" != get ]\n')
        (tmp_path / name).chmod(0o755)
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    subprocess.run([CHECKOUT / "infra" / "airflow-init.sh"], check=True, env=environment)
    asked = (tmp_path / "asked").read_text().splitlines()
    assert [asked[0], asked[-1].strip()] == ["airflow db migrate", "airflow-accounts"]
    assert [line.split()[3] for line in asked if line.startswith("airflow pools set")] == ["gpu", "model"]
