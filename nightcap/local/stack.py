"""The parts of Airflow and an MLflow server, bound to loopback."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from nightcap.local.processes import Service, free_port, stop
from pipeline.errors import Retryable
from pipeline.files import write_json, write_text
from pipeline.home import Home

CHECKOUT = Path(__file__).resolve().parents[2]
USER = "admin"
START_LIMIT_S = 240.0
POOLS = {"gpu": "training on the accelerator", "model": "work that holds a model in memory"}


@dataclass
class LocalStack:
    """Airflow's api-server, scheduler and dag-processor, and MLflow unless one is configured.

    Attributes:
        home: where databases, logs and outputs lie.
        airflow_url: where Airflow's page and API answer.
        mlflow_url: where MLflow's page answers.
        password: of the user `admin`.
    """

    home: Home
    airflow_url: str = ""
    mlflow_url: str = ""
    password: str = ""
    _services: list[Service] = field(default_factory=list)

    def start(self) -> None:
        """Start everything and wait until it answers.

        Raises:
            Retryable: a part ended, or did not answer in time.
        """
        self._start_mlflow()
        env = self._environment()
        self._once("airflow-migrate", ["db", "migrate"], env)
        self._once("airflow-pools", ["pools", "import", str(self._pools_file())], env)
        port = self.airflow_url.rsplit(":", 1)[1]
        self._serve("airflow-api-server", ["api-server", "--host", "127.0.0.1", "--port", port, "--workers", "1"], env)
        self._serve("airflow-scheduler", ["scheduler"], env)
        self._serve("airflow-dag-processor", ["dag-processor"], env)
        self._wait("MLflow", lambda: _answers(f"{self.mlflow_url}/health"))
        self._wait("Airflow", lambda: _healthy(f"{self.airflow_url}/api/v2/monitor/health"))

    def check(self) -> None:
        """Raise if a part ended by itself."""
        for service in self._services:
            service.check()

    def stop(self) -> None:
        """End every process that was started."""
        stop(self._services)
        self._services.clear()

    def _start_mlflow(self) -> None:
        if self.home.tracking_uri.startswith("http"):
            self.mlflow_url = self.home.tracking_uri
            return
        port = free_port(5000)
        self.mlflow_url = f"http://127.0.0.1:{port}"
        command = ["-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
        # Without artifact serving, what a run registered still loads when this server is gone.
        kept = [
            "--backend-store-uri",
            self.home.tracking_uri,
            "--no-serve-artifacts",
            "--default-artifact-root",
            self.home.artifacts.as_uri(),
        ]
        env = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
        self._services.append(Service("mlflow", [sys.executable, *command, *kept], env, self._log("mlflow")))

    def _environment(self) -> dict[str, str]:
        root = self.home.root / "airflow"
        root.mkdir(parents=True, exist_ok=True)
        port = free_port(8080)
        self.airflow_url = f"http://127.0.0.1:{port}"
        self.password = _kept_secret(root / "password", 9)
        passwords = root / "passwords.json"
        write_text(passwords, json.dumps({USER: self.password}))
        passwords.chmod(0o600)
        settings = {
            "API__BASE_URL": self.airflow_url,
            "API__HOST": "127.0.0.1",
            "API__PORT": str(port),
            "API_AUTH__JWT_SECRET": _kept_secret(root / "jwt_secret", 32),
            "CORE__DAGS_FOLDER": str(CHECKOUT / "dags"),
            "CORE__EXECUTION_API_SERVER_URL": f"{self.airflow_url}/execution/",
            "CORE__FERNET_KEY": "",
            "CORE__LOAD_EXAMPLES": "False",
            "CORE__PARALLELISM": "2",
            "CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(passwords),
            "CORE__SIMPLE_AUTH_MANAGER_USERS": f"{USER}:admin",
            "DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "60",
            "DAG_PROCESSOR__REFRESH_INTERVAL": "60",
            "DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{root / 'airflow.db'}",
            "LOGGING__BASE_LOG_FOLDER": str(root / "logs"),
            "SCHEDULER__USE_JOB_SCHEDULE": "True",
        }
        ours = {
            "AIRFLOW_HOME": str(root),
            "MLFLOW_TRACKING_URI": self.mlflow_url,
            "NIGHTCAP_HOME": str(self.home.root),
            "NIGHTCAP_STORE": str(self.home.store),
            "TF_CPP_MIN_LOG_LEVEL": "2",
        }
        return {**os.environ, **ours, **{f"AIRFLOW__{key}": value for key, value in settings.items()}}

    def _pools_file(self) -> Path:
        path = self.home.root / "airflow" / "pools.json"
        pools = {
            name: {"slots": 1, "description": purpose, "include_deferred": False} for name, purpose in POOLS.items()
        }
        write_json(path, pools)
        return path

    def _serve(self, name: str, arguments: list[str], env: Mapping[str, str]) -> None:
        self._services.append(Service(name, [sys.executable, "-m", "airflow", *arguments], env, self._log(name)))

    def _once(self, name: str, arguments: list[str], env: Mapping[str, str]) -> None:
        with self._log(name).open("ab") as output:
            done = subprocess.run(
                [sys.executable, "-m", "airflow", *arguments], env=dict(env), stdout=output, stderr=output, check=False
            )
        if done.returncode:
            raise Retryable(f"airflow {' '.join(arguments[:2])} failed with {done.returncode}; see {self._log(name)}")

    def _log(self, name: str) -> Path:
        folder = self.home.root / "logs"
        folder.mkdir(parents=True, exist_ok=True)
        return folder / f"{name}.log"

    def _wait(self, name: str, ready: Callable[[], bool]) -> None:
        deadline = time.monotonic() + START_LIMIT_S
        while not ready():
            self.check()
            if time.monotonic() > deadline:
                raise Retryable(f"{name} did not answer within {START_LIMIT_S:.0f} s; see {self.home.root / 'logs'}")
            time.sleep(0.5)


def _kept_secret(path: Path, size: int) -> str:
    """A random secret that stays the same from run to run, readable by its owner only."""
    if not path.is_file():
        write_text(path, secrets.token_urlsafe(size))
        path.chmod(0o600)
    return path.read_text(encoding="utf-8").strip()


def _answers(url: str) -> bool:
    return _get(url) is not None


def _healthy(url: str) -> bool:
    answer = json.loads(_get(url) or b"{}")
    return all(
        answer.get(part, {}).get("status") == "healthy" for part in ("metadatabase", "scheduler", "dag_processor")
    )


def _get(url: str) -> bytes | None:
    try:
        with urllib.request.urlopen(url, timeout=5) as response:  # noqa: S310
            return bytes(response.read())
    except (OSError, ValueError):
        return None
