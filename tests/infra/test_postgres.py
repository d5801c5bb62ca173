"""infra/postgres/databases.sql on a real PostgreSQL."""

import os
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

import pytest

from tests.until import until

SQL = Path(__file__).resolve().parents[2] / "infra/postgres/databases.sql"
BINARIES = max(Path("/usr/lib/postgresql").glob("*/bin/initdb"), default=None)
PASSWORDS = {"AIRFLOW_DB_PASSWORD": "first'quoted", "MLFLOW_DB_PASSWORD": "second"}
SERVER_USER = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.geteuid() == 0 else []

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(not BINARIES, reason="needs PostgreSQL's server (Debian package postgresql)"),
]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="module")
def folder():
    # Not under pytest's own folder, which the server's user may not enter.
    with tempfile.TemporaryDirectory(prefix="nightcap-postgres-") as name:
        if SERVER_USER:
            shutil.chown(name, "postgres", "postgres")
        yield Path(name)


@pytest.fixture(scope="module")
def port(folder):
    """A fresh cluster that asks for passwords, with the script applied to it."""
    secret = folder / "superuser"
    secret.write_text("superuser\n")
    initdb = [BINARIES, "-D", folder / "data", "-U", "postgres", "-A", "scram-sha-256", f"--pwfile={secret}"]
    subprocess.run([*SERVER_USER, *initdb], check=True, capture_output=True, cwd="/")
    number = free_port()
    listen = ["-h", "127.0.0.1", "-p", str(number), "-k", folder]
    server = subprocess.Popen([*SERVER_USER, BINARIES.with_name("postgres"), "-D", folder / "data", *listen], cwd="/")
    try:
        wait_for(number)
        apply(number)
        yield number
    finally:
        server.terminate()
        server.wait(30)


def wait_for(number):
    ready = [BINARIES.with_name("pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(number)]
    until(lambda: subprocess.run(ready, check=False).returncode == 0, 30, "PostgreSQL did not come up")


def psql(number, user, database, password, *arguments, **environment):
    command = [BINARIES.with_name("psql"), "-X", "-h", "127.0.0.1", "-p", str(number), "-U", user, "-d", database]
    environment = {"PATH": "/usr/bin:/bin", "PGPASSWORD": password, **environment}
    return subprocess.run([*command, *arguments], check=False, env=environment, capture_output=True, text=True)


def apply(number):
    result = psql(number, "postgres", "postgres", "superuser", "-f", SQL, **PASSWORDS)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize(("user", "password"), [("airflow", "first'quoted"), ("mlflow", "second")])
def test_each_service_owns_its_database_alone(port, user, password):
    other = {"airflow": "mlflow", "mlflow": "airflow"}[user]
    assert psql(port, user, user, password, "-c", "CREATE TABLE mine (n int)").returncode == 0
    assert "permission denied" in psql(port, user, other, password, "-c", "SELECT 1").stderr
    assert "authentication failed" in psql(port, user, user, "wrong", "-c", "SELECT 1").stderr
