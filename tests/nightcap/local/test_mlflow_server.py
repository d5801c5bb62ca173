"""MLflow's server of a local stack."""

import os
import signal
import subprocess
import sys
import urllib.request
from contextlib import suppress

import psutil

from nightcap.local.processes import free_port
from pipeline.registry.sqlite import create_database
from tests.until import until


def test_it_serves_a_database_on_loopback_only(tmp_path):
    uri, port = f"sqlite:///{tmp_path / 'mlflow.db'}", str(free_port(19_200))
    create_database(uri, tmp_path / "artifacts")
    command = [sys.executable, "-m", "nightcap.local.mlflow_server", str(tmp_path / "artifacts"), port]
    log, env = (tmp_path / "log").open("wb"), os.environ | {"MLFLOW_BACKEND_STORE_URI": uri}
    with log, subprocess.Popen(command, stdout=log, stderr=log, env=env, start_new_session=True) as process:

        def healthy():
            with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=60) as answer:
                return answer.read() == b"OK"
            return False

        try:
            until(healthy, 250, lambda: (tmp_path / "log").read_text()[-2000:], process=process, pause=0.5)
            family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
            assert not [word for each in family for word in each.cmdline() if uri in word]  # it may hold a password
        finally:
            os.killpg(process.pid, signal.SIGKILL)
