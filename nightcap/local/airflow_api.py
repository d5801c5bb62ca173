"""The few calls of Airflow's REST API that `nightcap run` needs."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.errors import Permanent, Retryable

DAG_LIMIT_S = 120.0
PAUSE_S = 1.5


@dataclass
class AirflowApi:
    """A logged-in client.

    Attributes:
        url: the api-server, without a path.
        user: login name.
        password: its password.
    """

    url: str
    user: str
    password: str
    _token: str = ""

    def trigger(self, dag: str, conf: Mapping[str, Any]) -> str:
        """Unpause a DAG, run it with some params, and return the run's id.

        Raises:
            Retryable: the DAG is not there in time.
        """
        self._wait_for(dag)
        self._call("PATCH", f"dags/{dag}", {"is_paused": False})
        return str(self._call("POST", f"dags/{dag}/dagRuns", {"logical_date": None, "conf": dict(conf)})["dag_run_id"])

    def follow(self, dag: str, run: str, alive: Callable[[], None]) -> Iterator[tuple[str, str]]:
        """Task name and new state at every change, until the run ends.

        Raises:
            Permanent: the run failed; names the tasks that did.
        """
        seen: dict[str, str] = {}
        while True:
            state = self._call("GET", f"dags/{dag}/dagRuns/{run}")["state"]
            for task in self._call("GET", f"dags/{dag}/dagRuns/{run}/taskInstances?limit=200")["task_instances"]:
                name = task["task_id"] if task["map_index"] < 0 else f"{task['task_id']} [{task['map_index']}]"
                if task["state"] and seen.get(name) != task["state"]:
                    seen[name] = task["state"]
                    yield name, task["state"]
            if state in ("success", "failed"):
                break
            alive()
            time.sleep(PAUSE_S)
        if state == "failed":
            failed = ", ".join(name for name, last in seen.items() if last == "failed") or "none by itself"
            raise Permanent(
                f"{dag} run {run} failed (tasks: {failed}); see its log at {self.url}/dags/{dag}/runs/{run}"
            )

    def result(self, dag: str, run: str, task: str, key: str = "return_value") -> Any:
        """What a finished task returned."""
        path = f"dags/{dag}/dagRuns/{run}/taskInstances/{task}/xcomEntries/{key}?deserialize=true"
        return self._call("GET", path)["value"]

    def task_states(self, dag: str, run: str) -> dict[str, str]:
        """The state of each task of a run."""
        tasks = self._call("GET", f"dags/{dag}/dagRuns/{run}/taskInstances?limit=200")["task_instances"]
        return {task["task_id"]: str(task["state"]) for task in tasks}

    def _wait_for(self, dag: str) -> None:
        deadline = time.monotonic() + DAG_LIMIT_S
        while True:
            try:
                self._call("GET", f"dags/{dag}")
            except Permanent as error:
                if time.monotonic() > deadline:
                    raise Retryable(f"Airflow has not read {dag} within {DAG_LIMIT_S:.0f} s: {error}") from error
                time.sleep(PAUSE_S)
            else:
                return

    def _call(self, method: str, path: str, body: Any = None) -> Any:
        self._token = (
            self._token
            or self._request("POST", "auth/token", {"username": self.user, "password": self.password})["access_token"]
        )
        return self._request(method, f"api/v2/{path}", body)

    def _request(self, method: str, path: str, body: Any) -> Any:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"} | (
            {"Authorization": f"Bearer {self._token}"} if self._token else {}
        )
        request = urllib.request.Request(f"{self.url}/{path}", data, headers, method=method)  # noqa: S310
        try:
            with urllib.request.urlopen(request, timeout=60) as response:  # noqa: S310
                return json.loads(response.read())
        except urllib.error.HTTPError as error:
            raise Permanent(
                f"Airflow refused {method} {path} with {error.code}: {error.read()[:300].decode(errors='replace')}"
            ) from error
        except OSError as error:
            raise Retryable(f"Airflow at {self.url} does not answer: {error}") from error
