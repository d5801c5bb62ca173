"""A real MLflow with accounts, as the stack runs it, for all files of this folder."""

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass

import pytest

from infra.mlflow_accounts import Server, main
from tests.services import free_port

CONFIG = """[mlflow]
default_permission = READ
database_uri = sqlite:///{folder}/accounts.db
admin_username = admin
admin_password = password-of-admin
"""


@dataclass(frozen=True)
class GuardedMlflow:
    """A server that asks everybody for a login."""

    uri: str

    def credentials(self, name):
        """The variables by which MLflow's client logs in as somebody."""
        return {
            "MLFLOW_TRACKING_URI": self.uri,
            "MLFLOW_TRACKING_USERNAME": name,
            "MLFLOW_TRACKING_PASSWORD": f"password-of-{name}",
        }

    def account(self, name):
        """The server as somebody sees it."""
        return Server(self.uri, name, f"password-of-{name}")

    def add(self, name):
        """Give an ordinary person an account."""
        person = {"username": name, "password": f"password-of-{name}"}
        self.account("admin").make("2.0/mlflow/users/create", **person)

    def answers(self):
        try:
            urllib.request.urlopen(f"{self.uri}/health", timeout=5).close()
        except urllib.error.HTTPError:
            return True
        except OSError:
            return False
        return True


@pytest.fixture(scope="session")
def guarded_mlflow(tmp_path_factory):
    """MLflow's `basic-auth` app with the accounts of the stack's roles, and with `mallory`, an ordinary one."""
    folder, port = tmp_path_factory.mktemp("mlflow"), free_port()
    (folder / "auth.ini").write_text(CONFIG.format(folder=folder))
    environment = os.environ | {
        "MLFLOW_AUTH_CONFIG_PATH": str(folder / "auth.ini"),
        "MLFLOW_FLASK_SERVER_SECRET_KEY": "of the tests",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    command = [sys.executable, "-m", "mlflow", "server", "--app-name=basic-auth", "--workers=1", f"--port={port}"]
    command += [f"--backend-store-uri=sqlite:///{folder}/mlflow.db", f"--artifacts-destination={folder}/artifacts"]
    server = GuardedMlflow(f"http://127.0.0.1:{port}")
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, cwd=folder, stdout=log, stderr=log, start_new_session=True)
    try:
        started = time.monotonic()
        while not server.answers():
            assert process.poll() is None and time.monotonic() - started < 180, (folder / "log").read_text()[-3000:]
            time.sleep(0.2)
        passwords = {
            f"MLFLOW_{name.upper()}_PASSWORD": f"password-of-{name}" for name in ("exporter", "nights", "training")
        }
        main(server.credentials("admin") | passwords)
        server.add("mallory")
        yield server
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(20)


@pytest.fixture
def logged_in(guarded_mlflow, monkeypatch):
    """Let this process be one account after another: `logged_in("mallory")`."""

    def log_in(name):
        for key, value in guarded_mlflow.credentials(name).items():
            monkeypatch.setenv(key, value)

    return log_in
