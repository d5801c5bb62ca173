"""Programs that the images of docker-compose.yml hold, and that this machine has elsewhere or calls otherwise."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from tests.seaweed import find_weed
from tests.services import INITDB, REDIS

CHECKOUT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
# As Debian names what the images name otherwise.
TOOLS = {
    "alertmanager": shutil.which("prometheus-alertmanager"),
    "prometheus": shutil.which("prometheus"),
    "pushgateway": shutil.which("prometheus-pushgateway"),
    "redis-server": REDIS,
    "weed": find_weed(),
    "postgres": INITDB,
    "wget": shutil.which("wget"),  # of health checks
}
# As infra's Dockerfiles install them.
SCRIPTS = {
    "airflow-accounts": "airflow_accounts.py",
    "airflow-init": "airflow-init.sh",
    "mlflow-accounts": "mlflow_accounts.py",
    "s3-buckets": "s3_buckets.py",
}
MISSING = [name for name, path in TOOLS.items() if not path]
# What the image's own entrypoint does before it runs the server.
POSTGRES = """#!/bin/bash
set -euo pipefail
cd /
data=/var/lib/postgresql/data
if [[ ! -s $data/PG_VERSION ]]; then
    initdb -D "$data" -U postgres -A scram-sha-256 --pwfile=<(echo "$POSTGRES_PASSWORD") >/dev/null
    echo "host all all all scram-sha-256" >>"$data/pg_hba.conf"
    pg_ctl -D "$data" -o "-c listen_addresses= -k $data" -w start
    for script in /docker-entrypoint-initdb.d/*.sql; do
        PGPASSWORD=$POSTGRES_PASSWORD psql -X -h "$data" -U postgres -f "$script"
    done
    pg_ctl -D "$data" -m fast -w stop
fi
exec INITDB_FOLDER/postgres "$@" -D "$data" -k "$data" -c fsync=off
"""


def lay_out(folder: Path, postgres: str) -> None:
    """Make a folder of commands as the images know them, with a script that starts PostgreSQL."""
    folder.mkdir()
    for name, path in TOOLS.items():
        if name != "postgres":
            (folder / name).symlink_to(path)
    for name, script in SCRIPTS.items():
        (folder / name).symlink_to(CHECKOUT / "infra" / script)
    check = f'#!/bin/sh\nexec "{sys.executable}" "{CHECKOUT / "infra/healthcheck.py"}" "$@"\n'
    (folder / "healthcheck").write_text(check)
    (folder / "postgres").write_text(postgres.replace("INITDB_FOLDER", str(INITDB.parent)))
    for path in (folder / "healthcheck", folder / "postgres"):
        path.chmod(0o755)
