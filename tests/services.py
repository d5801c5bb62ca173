"""Real PostgreSQL and Redis on loopback, on ports and in folders of their own."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

INITDB = max(Path("/usr/lib/postgresql").glob("*/bin/initdb"), default=None)
REDIS = shutil.which("redis-server")
POSTGRES_USER = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.geteuid() == 0 else []
START_S = 60


@contextmanager
def running_postgres():
    """PostgreSQL until the block ends; the address of an empty database."""
    # Not under pytest's own folder, which the server's user may not enter.
    with tempfile.TemporaryDirectory(prefix="nightcap-postgres-") as name:
        folder, port, password = Path(name), free_port(), secrets.token_hex(16)
        (folder / "password").write_text(password)
        if POSTGRES_USER:
            shutil.chown(folder, "postgres", "postgres")
        initdb = [INITDB, "-D", folder / "data", "-U", "airflow", "-A", "scram-sha-256"]
        subprocess.run(
            [*POSTGRES_USER, *initdb, f"--pwfile={folder / 'password'}"], check=True, capture_output=True, cwd="/"
        )
        listen = ["-h", "127.0.0.1", "-p", str(port), "-k", folder, "-c", "fsync=off"]
        command = [*POSTGRES_USER, INITDB.with_name("postgres"), "-D", folder / "data", *listen]
        ready = [INITDB.with_name("pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port)]
        with _running(command, lambda: subprocess.run(ready, check=False).returncode == 0, signal.SIGINT):
            yield f"postgresql+psycopg2://airflow:{password}@127.0.0.1:{port}/postgres"


@contextmanager
def running_redis():
    """Redis, in memory alone, until the block ends; its address."""
    port = free_port()
    command = [REDIS, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    with _running(command, lambda: _answers(port), signal.SIGTERM):
        yield f"redis://127.0.0.1:{port}/0"


@contextmanager
def _running(command, ready, stop):
    process = subprocess.Popen(command, cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + START_S
        while not ready():
            assert process.poll() is None, f"{command} ended with {process.returncode}"
            assert time.monotonic() < deadline, f"{command} did not answer in {START_S} s"
            time.sleep(0.1)
        yield
    finally:
        process.send_signal(stop)
        process.wait(30)


def _answers(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
