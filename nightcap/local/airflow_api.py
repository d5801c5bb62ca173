"""The few calls of Airflow's REST API that `nightcap run` needs."""

from __future__ import annotations

import http.client
import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from pipeline.core.errors import NightcapError, Permanent, Retryable

DAG_LIMIT_S = 120.0
OUTAGE_LIMIT_S = 120.0
TOKEN_LIFE_S = 3600.0
PAUSE_S = 1.5
_PAGE = 100  # Airflow gives no more at once


@dataclass
class AirflowApi:
    """A client that logs in by itself."""

    url: str  # of the api-server, without a path
    user: str
    password: str
    check_alive: Callable[[], None] = lambda: None  # called while waiting; raises if Airflow has ended
    _token: str = ""
    _token_end: float = 0.0

    def trigger(self, dag: str, conf: Mapping[str, Any]) -> str:
        """Unpause a DAG, run it with some params, and return the run's id."""
        self._wait_for(dag)
        self.set_paused(dag, False)
        return str(self._call("POST", f"dags/{dag}/dagRuns", {"logical_date": None, "conf": dict(conf)})["dag_run_id"])

    def set_paused(self, dag: str, paused: bool) -> None:
        """Pause or unpause a DAG: its schedule, and the tasks of its runs."""
        self._repeatedly("PATCH", f"dags/{dag}", {"is_paused": paused})

    def active_runs(self, dag: str) -> list[str]:
        """Runs of a DAG that have not ended, in no order."""
        return [run["dag_run_id"] for run in self._pages(f"dags/{dag}/dagRuns?state=running&state=queued&", "dag_runs")]

    def abandon(self, dag: str, run: str) -> None:
        """Mark a run as failed if Airflow still answers, so that a later start does not resume it."""
        with suppress(NightcapError):
            self._call("PATCH", f"dags/{dag}/dagRuns/{run}", {"state": "failed"}, limit_s=10)

    def state_changes(self, dag: str, run: str) -> Iterator[tuple[str, str]]:
        """Task name and new state at every change, until the run ends; Permanent, with the errors, if it failed."""
        seen: dict[str, str] = {}
        while True:
            state = self.get(f"dags/{dag}/dagRuns/{run}")["state"]
            for task in self._tasks(dag, run):
                name = _name(task)
                if task["state"] and seen.get(name) != task["state"]:
                    seen[name] = task["state"]
                    yield name, task["state"]
            if state in ("success", "failed"):
                break
            self._pause()
        if state == "failed":
            raise Permanent(f"{dag} run {run} failed: {self._reasons(dag, run)}")

    def result(self, dag: str, run: str, task: str, key: str = "return_value") -> Any:
        """The return value of a finished task, or one output of several."""
        path = f"dags/{dag}/dagRuns/{run}/taskInstances/{task}/xcomEntries/{key}?deserialize=true"
        return self.get(path)["value"]

    def task_states(self, dag: str, run: str) -> dict[str, str]:
        """The state of each task of a run, mapped ones each by itself."""
        return {_name(task): str(task["state"]) for task in self._tasks(dag, run)}

    def log(self, dag: str, run: str, task: str, attempt: int = 1, map_index: int = -1) -> list[dict[str, Any]]:
        """The lines of a task's log; `event` is the text, and the first ones name the log's file."""
        path = f"dags/{dag}/dagRuns/{run}/taskInstances/{task}/logs/{attempt}"
        return list(self.get(f"{path}?map_index={map_index}&full_content=true")["content"])

    def add_pools(self, pools: Mapping[str, str]) -> None:
        """Make pools of one slot, given by name and purpose; an existing pool is not changed."""
        for name in sorted(pools.keys() - {pool["name"] for pool in self.get("pools")["pools"]}):
            self._call("POST", "pools", {"name": name, "slots": 1, "description": pools[name]})

    def get(self, path: str) -> Any:
        """Read a resource with retries for `OUTAGE_LIMIT_S`."""
        return self._repeatedly("GET", path)

    def _repeatedly(self, method: str, path: str, body: Any = None) -> Any:
        """A call that may be made twice, until it succeeds: a busy machine is slow, and SQLite may be locked."""
        deadline = time.monotonic() + OUTAGE_LIMIT_S
        while True:
            try:
                return self._call(method, path, body)
            except Retryable:
                if time.monotonic() > deadline:
                    raise
                self._pause()

    def _pause(self) -> None:
        self.check_alive()
        time.sleep(PAUSE_S)

    def _tasks(self, dag: str, run: str) -> Iterator[dict[str, Any]]:
        return self._pages(f"dags/{dag}/dagRuns/{run}/taskInstances?", "task_instances")

    def _pages(self, path: str, key: str) -> Iterator[dict[str, Any]]:
        offset, total = 0, 1
        while offset < total:
            page = self.get(f"{path}limit={_PAGE}&offset={offset}&order_by=id")
            yield from page[key]
            offset, total = offset + _PAGE, page["total_entries"]

    def _reasons(self, dag: str, run: str) -> str:
        failed = [task for task in self._tasks(dag, run) if task["state"] == "failed"]
        reasons = [f"{_name(task)}: {self._reason(dag, run, task)}" for task in failed[:3]]
        return "; ".join(reasons) or "no task failed by itself"

    def _reason(self, dag: str, run: str, task: dict[str, Any]) -> str:
        lines = self.log(dag, run, task["task_id"], task["try_number"], task["map_index"])
        errors = [line["error_detail"][0] for line in lines if line.get("error_detail")]  # its causes come after it
        error = f"{errors[-1]['exc_type']}: {errors[-1]['exc_value']}" if errors else "the task ended without an error"
        files = [line["event"] for line in lines if str(line["event"]).endswith(".log")]
        return f"{error} (see {files[0]})" if files else error

    def _wait_for(self, dag: str) -> None:
        deadline = time.monotonic() + DAG_LIMIT_S
        while True:
            try:
                self.get(f"dags/{dag}")
                return
            except Permanent as error:
                if time.monotonic() > deadline:
                    raise Retryable(f"Airflow has not read {dag} within {DAG_LIMIT_S:.0f} s: {error}") from error
                self._pause()

    def _call(self, method: str, path: str, body: Any = None, limit_s: float = 60) -> Any:
        if time.monotonic() > self._token_end:
            login = {"username": self.user, "password": self.password}
            self._token = self._request("POST", "auth/token", login, limit_s)["access_token"]
            self._token_end = time.monotonic() + TOKEN_LIFE_S
        return self._request(method, f"api/v2/{path}", body, limit_s)

    def _request(self, method: str, path: str, body: Any, limit_s: float) -> Any:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        request = urllib.request.Request(f"{self.url}/{path}", data, headers, method=method)  # noqa: S310
        try:
            with urllib.request.urlopen(request, timeout=limit_s) as response:  # noqa: S310
                return json.loads(response.read())
        except urllib.error.HTTPError as error:
            kind = Retryable if error.code >= 500 else Permanent
            raise kind(
                f"Airflow refused {method} {path} with {error.code}: {error.read()[:300].decode(errors='replace')}"
            ) from error
        except (OSError, http.client.HTTPException) as error:
            raise Retryable(f"Airflow at {self.url} does not answer: {error}") from error


def _name(task: dict[str, Any]) -> str:
    return str(task["task_id"]) if task["map_index"] < 0 else f"{task['task_id']} [{task['map_index']}]"
