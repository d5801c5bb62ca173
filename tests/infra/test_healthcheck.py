"""infra/healthcheck.py against a real server."""

import json
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "infra/healthcheck.py"
REPORT = {"triggerer": {"status": "healthy"}, "dag_processor": {"status": "unhealthy"}, "scheduler": {"status": None}}


class Airflow(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/health" else 500)
        self.end_headers()
        self.wfile.write(json.dumps(REPORT).encode())

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def address():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Airflow)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def is_well(*arguments):
    return subprocess.run([sys.executable, SCRIPT, *arguments], check=False, capture_output=True).returncode == 0


def test_an_answer_is_enough_without_a_component(address):
    assert is_well(f"{address}/health")
    assert not is_well(f"{address}/broken")


@pytest.mark.parametrize(("component", "well"), [("triggerer", True), ("dag_processor", False), ("scheduler", False)])
def test_component_must_be_healthy(address, component, well):
    assert is_well(f"{address}/health", component) == well


def test_nothing_listening_is_unwell():
    assert not is_well("http://127.0.0.1:9/health")
