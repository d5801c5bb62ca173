"""The parts of Airflow and an MLflow server, bound to loopback."""

from __future__ import annotations

import fcntl
import http.client
import json
import os
import secrets
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path

from nightcap.local.airflow_api import AirflowApi
from nightcap.local.processes import Service, free_port, stop_services
from pipeline.core.environment import Home
from pipeline.core.errors import Permanent, RegistryUnavailable, Retryable
from pipeline.core.subprocesses import module_environment
from pipeline.registry.sqlite import SQLITE
from pipeline.storage.files import write_text

_CHECKOUT = Path(__file__).resolve().parents[2]
USER = "admin"
START_LIMIT_S = 240.0
# Besides what every child has that reaches registry and store.
_FROM_SHELL = (
    *("AIRFLOW_", "AZURE_", "TFDS_", "XDG_", "USER", "LOGNAME", "LC_", "PYTHONUTF8"),
    *("CURL_CA_BUNDLE", "ALL_PROXY", "all_proxy", "DYLD_LIBRARY_PATH", "DYLD_FALLBACK_", "DYLD_FRAMEWORK_PATH"),
)
POOLS = {"gpu": "tasks of trainings that hold a model in memory", "model": "tasks of nights that do"}


@dataclass
class LocalStack:
    """Airflow's api-server, scheduler, dag-processor and triggerer, and MLflow unless one is configured."""

    home: Home  # has the databases, logs and outputs
    airflow_url: str = ""
    mlflow_url: str = ""
    password: str = ""  # of the user `admin`
    _services: list[Service] = field(default_factory=list)
    _locks: ExitStack = field(default_factory=ExitStack)

    def start(self) -> None:
        """Start every part and wait until all answer."""
        self._lock_home()
        self.password = _kept_secret(self.home.root / "airflow/password", 9)
        _bypass_proxy()
        self._start_mlflow()
        env = self._environment()
        self._once("airflow-migrate", ["db", "migrate"], env)
        port = self.airflow_url.rsplit(":", 1)[1]
        self._serve("airflow-api-server", ["api-server", "--host", "127.0.0.1", "--port", port, "--workers", "1"], env)
        # Its log server would listen on every interface; the api-server reads the same files itself.
        self._serve("airflow-scheduler", ["scheduler", "--skip-serve-logs"], env)
        self._serve("airflow-dag-processor", ["dag-processor"], env)
        self._serve("airflow-triggerer", ["triggerer", "--skip-serve-logs", "--capacity", "10"], env)
        self._wait("MLflow", lambda: _answers(f"{self.mlflow_url}/health"))
        self._wait("Airflow", lambda: _healthy(f"{self.airflow_url}/api/v2/monitor/health"))
        self.api().add_pools(POOLS)

    @property
    def mlflow_login(self) -> dict[str, str]:
        """What clients of the MLflow that was started need in their environment; nothing for a configured one."""
        if self.mlflow_url == self.home.tracking_uri.rstrip("/"):
            return {}
        return {"MLFLOW_TRACKING_USERNAME": USER, "MLFLOW_TRACKING_PASSWORD": self.mlflow_password}

    @property
    def mlflow_password(self) -> str:
        """The password of the user `admin` at the MLflow that was started: Airflow's, unless a person wrote another."""
        own = self.home.root / "airflow/mlflow_password"
        return (own.read_text(encoding="utf-8").strip() if own.is_file() else "") or self.password

    def api(self) -> AirflowApi:
        """A client of the Airflow that was started."""
        return AirflowApi(self.airflow_url, USER, self.password, self.check)

    def check(self) -> None:
        """Raise if a part ended by itself."""
        for service in self._services:
            service.check()

    def stop(self) -> None:
        """End every process that was started."""
        stop_services(self._services)
        self._services.clear()
        self._locks.close()

    def _lock_home(self) -> None:
        """Two schedulers on one SQLite database would run every task twice."""
        self.home.create()
        path = self.home.root / "airflow" / "lock"
        path.parent.mkdir(parents=True, exist_ok=True)
        file = self._locks.enter_context(path.open("w"))
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise Permanent(
                f"another Airflow of Nightcap runs in {self.home.root}; stop it, or set NIGHTCAP_HOME to another folder"
            ) from error

    def _start_mlflow(self) -> None:
        if self.home.tracking_uri.startswith("http"):
            self.mlflow_url = self.home.tracking_uri.rstrip("/")
            if not _answers(f"{self.mlflow_url}/health"):
                raise RegistryUnavailable(f"MLflow at {self.mlflow_url} does not answer; check MLFLOW_TRACKING_URI")
            return
        port = free_port(5000)
        self.mlflow_url = f"http://127.0.0.1:{port}"
        command = ["-m", "nightcap.local.mlflow_server", str(self.home.artifacts), str(port)]
        env = {
            **_shell_environment(),
            "MLFLOW_BACKEND_STORE_URI": self.home.tracking_uri,
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        }
        self._services.append(Service("mlflow", [sys.executable, *command], env | self._login(), self._log("mlflow")))

    def _login(self) -> dict[str, str]:
        """What makes MLflow ask for a user and password: whoever else uses this machine has neither."""
        root = self.home.root / "airflow"
        users, settings = root / "mlflow_users.db", root / "mlflow.ini"
        write_text(
            settings,
            "[mlflow]\ndefault_permission = NO_PERMISSIONS\nauth_cache_ttl_seconds = 60\n"
            f"admin_username = {USER}\ndatabase_uri = {SQLITE}{str(users).replace('%', '%%')}\n"
            "authorization_function = mlflow.server.auth:authenticate_request_basic_auth\n",
        )
        _set_password(users, self.mlflow_password)
        return {
            "MLFLOW_AUTH_ADMIN_PASSWORD": self.mlflow_password,
            "MLFLOW_AUTH_CONFIG_PATH": str(settings),
            "MLFLOW_FLASK_SERVER_SECRET_KEY": _kept_secret(root / "mlflow_key", 32),
        }

    def _environment(self) -> dict[str, str]:
        root = self.home.root / "airflow"
        root.mkdir(parents=True, exist_ok=True)
        port = free_port(8080)
        self.airflow_url = f"http://127.0.0.1:{port}"
        passwords = root / "passwords.json"
        write_text(passwords, json.dumps({USER: self.password}), is_secret=True)
        settings = {
            "API__BASE_URL": self.airflow_url,
            "API__HOST": "127.0.0.1",
            "API__PORT": str(port),
            "API_AUTH__JWT_SECRET": _kept_secret(root / "jwt_secret", 32),
            "CORE__DAGS_FOLDER": str(_CHECKOUT / "dags"),
            "CORE__EXECUTION_API_SERVER_URL": f"{self.airflow_url}/execution/",
            "CORE__FERNET_KEY": "",
            "CORE__LOAD_EXAMPLES": "False",
            "CORE__PARALLELISM": "2",
            "CORE__PLUGINS_FOLDER": str(_CHECKOUT / "dags/plugins"),
            "CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(passwords),
            "CORE__SIMPLE_AUTH_MANAGER_USERS": f"{USER}:admin",
            "DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "60",
            "DAG_PROCESSOR__REFRESH_INTERVAL": "60",
            "DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{root / 'airflow.db'}",
            "LOGGING__BASE_LOG_FOLDER": str(root / "logs"),
            "LOGGING__FILE_TASK_HANDLER_NEW_FILE_PERMISSIONS": "0o600",
            "LOGGING__FILE_TASK_HANDLER_NEW_FOLDER_PERMISSIONS": "0o700",
            "SCHEDULER__USE_JOB_SCHEDULE": "True",
        }
        variables = {
            "AIRFLOW_HOME": str(root),
            "MLFLOW_TRACKING_URI": self.mlflow_url,
            **self.mlflow_login,
            "NIGHTCAP_HOME": str(self.home.root),
            "NIGHTCAP_ROOTS": ",".join(root for root in self.home.roots if _may_be_listed(root)),
            "NIGHTCAP_STORE": str(self.home.store),
            "TF_CPP_MIN_LOG_LEVEL": "2",
        }
        return {**_shell_environment(), **variables, **{f"AIRFLOW__{key}": value for key, value in settings.items()}}

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


def _shell_environment() -> dict[str, str]:
    """Of the shell's variables those that Airflow, its tasks and MLflow need; what else was exported there is not theirs.

    A person's own credentials for a store are among them, since a night or a training may read there.
    """
    wanted = {name: value for name, value in os.environ.items() if name.startswith(_FROM_SHELL)}
    return module_environment(credentials=True, **wanted)


def _may_be_listed(root: str) -> bool:
    """Whether `NIGHTCAP_ROOTS` can name it; what it cannot name is refused when a task asks for it."""
    return root.startswith(("/", "s3://")) and "," not in root


def _kept_secret(path: Path, size: int) -> str:
    """A random secret that is made once, readable by its owner only."""
    if not path.is_file():
        write_text(path, secrets.token_urlsafe(size), is_secret=True)
    return path.read_text(encoding="utf-8").strip()


def _set_password(users: Path, password: str) -> None:
    """Change the password in MLflow's table of users, whose own start leaves a user that exists as it is."""
    if not users.is_file():
        return
    from werkzeug.security import check_password_hash, generate_password_hash

    with closing(sqlite3.connect(users)) as database, database:
        for (known,) in database.execute("SELECT password_hash FROM users WHERE username = ?", (USER,)).fetchall():
            if not check_password_hash(known, password):
                hashed = generate_password_hash(password)
                database.execute("UPDATE users SET password_hash = ? WHERE username = ?", (hashed, USER))


def _bypass_proxy() -> None:
    """Requests between this process and its services do not use a proxy of the environment."""
    if not urllib.request.proxy_bypass("127.0.0.1"):
        before = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or "localhost"
        os.environ["no_proxy"] = f"{before},127.0.0.1"


def _answers(url: str) -> bool:
    try:
        urllib.request.urlopen(url, timeout=5).close()  # noqa: S310
    except urllib.error.HTTPError:
        return True  # the tasks check access
    except (OSError, ValueError, http.client.HTTPException):
        return False
    return True


def _healthy(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as response:  # noqa: S310
            answer = json.loads(response.read())
    except (OSError, ValueError, http.client.HTTPException):
        return False
    parts = ("metadatabase", "scheduler", "dag_processor", "triggerer")
    return all(answer.get(part, {}).get("status") == "healthy" for part in parts)
