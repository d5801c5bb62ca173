"""infra/airflow-init.sh, with stand-ins for Airflow and for what makes accounts."""

import subprocess
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]


def asked(folder, known=(), **environment):
    """What the script asks of Airflow that has some pools."""
    pools = " ".join(f"{name}) ;;" for name in known)
    for name in ("airflow", "airflow-accounts"):
        script = (
            f'#!/bin/sh\necho "{name} $*" >>{folder}/asked\n[ "$2" != get ] || case $3 in {pools} *) exit 1 ;; esac\n'
        )
        (folder / name).write_text(script)
        (folder / name).chmod(0o755)
    environment = {"PATH": f"{folder}:/usr/bin:/bin", **environment}
    subprocess.run([CHECKOUT / "infra" / "airflow-init.sh"], check=True, env=environment)
    return (folder / "asked").read_text().splitlines()


def pools(lines):
    """The pools that are set, with their slots."""
    return [tuple(line.split()[3:5]) for line in lines if line.startswith("airflow pools set")]


def test_tables_come_first_then_pools_then_accounts(tmp_path):
    lines = asked(tmp_path)
    assert [lines[0], lines[-1].strip()] == ["airflow db migrate", "airflow-accounts"]
    assert pools(lines) == [("gpu", "1"), ("model", "2")]


def test_a_pool_that_someone_resized_is_left_alone(tmp_path):
    assert pools(asked(tmp_path, known=("gpu", "model"))) == []


def test_the_pool_of_nights_follows_the_number_of_their_workers(tmp_path):
    assert pools(asked(tmp_path, known=("gpu", "model"), NIGHT_WORKERS="5")) == [("model", "5")]
