"""How the client bears with a server that is late, short of breath or strict."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from nightcap.local import airflow_api
from nightcap.local.airflow_api import AirflowApi
from pipeline.core.errors import Permanent, Retryable

TASKS = [{"id": n, "task_id": "shard", "map_index": n, "state": "success"} for n in range(230)]


class Airflow(ThreadingHTTPServer):
    """Answers as Airflow does, after as many failures as asked for."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.failures, self.asked, self.logins = [], [], 0

    def answer(self, method, path):
        if path == "/auth/token":
            self.logins += 1
            return 201, {"access_token": f"token {self.logins}"}
        self.asked.append(f"{method} {path}")
        if self.failures:
            return self.failures.pop(0), {"detail": "database is locked"}
        if "taskInstances?" in path:
            offset = int(path.split("offset=")[1].split("&")[0])
            return 200, {"task_instances": TASKS[offset : offset + 100], "total_entries": len(TASKS)}
        return 200, {"pools": [{"name": "gpu"}]}


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        status, body = self.server.answer(self.command, self.path)
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    do_POST = do_PATCH = do_GET

    def log_message(self, *_):
        """Say nothing."""


@pytest.fixture
def airflow(monkeypatch):
    monkeypatch.setattr(airflow_api, "PAUSE_S", 0.01)
    with Airflow() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def api(airflow):
    return AirflowApi(f"http://127.0.0.1:{airflow.server_port}", "admin", "secret")


def test_reading_waits_until_the_server_has_recovered(airflow, api):
    airflow.failures = [500, 503]
    assert api.get("pools") == {"pools": [{"name": "gpu"}]}
    assert airflow.asked == ["GET /api/v2/pools"] * 3


def test_reading_gives_up_in_the_end(airflow, api, monkeypatch):
    monkeypatch.setattr(airflow_api, "OUTAGE_LIMIT_S", 0.05)
    airflow.failures = [500] * 100
    with pytest.raises(Retryable, match=r"refused GET api/v2/pools with 500: .*database is locked"):
        api.get("pools")


def test_waiting_ends_when_airflow_has(airflow, api):
    def ended():
        raise Retryable("airflow-scheduler ended")

    airflow.failures = [500] * 100
    api.check_alive = ended
    with pytest.raises(Retryable, match="scheduler ended"):
        api.get("pools")


def test_what_is_refused_is_not_asked_again(airflow, api):
    airflow.failures = [404]
    with pytest.raises(Permanent, match="with 404"):
        api.get("pools")
    assert len(airflow.asked) == 1


def test_a_run_is_not_begun_twice(airflow, api):
    airflow.failures = [200, 500, 200, 500]
    with pytest.raises(Retryable):
        api.trigger("caption_nightly", {})
    dag = "/api/v2/dags/caption_nightly"
    assert airflow.asked == [f"GET {dag}", f"PATCH {dag}", f"PATCH {dag}", f"POST {dag}/dagRuns"]  # pausing may be


def test_every_task_of_a_long_run_is_seen(api):
    assert api.task_states("train", "run") == {f"shard [{n}]": "success" for n in range(230)}


def test_it_logs_in_again_before_its_token_ends(airflow, api, monkeypatch):
    api.get("pools")
    api.get("pools")
    assert airflow.logins == 1
    monkeypatch.setattr(airflow_api, "TOKEN_LIFE_S", 0)
    api._token_end = 0
    api.get("pools")
    api.get("pools")
    assert airflow.logins == 3


def test_a_pool_that_is_there_stays_as_it_is(airflow, api):
    api.add_pools({"gpu": "training", "model": "work"})
    assert airflow.asked == ["GET /api/v2/pools", "POST /api/v2/pools"]


def test_giving_a_run_up_minds_no_trouble(airflow, api):
    airflow.failures = [500]
    api.abandon("train_captioner", "run")
    assert airflow.asked == ["PATCH /api/v2/dags/train_captioner/dagRuns/run"]


def test_an_absent_server_is_named():
    with pytest.raises(Retryable, match=r"Airflow at http://127\.0\.0\.1:9 does not answer"):
        AirflowApi("http://127.0.0.1:9", "admin", "secret").set_paused("train_captioner", True)
