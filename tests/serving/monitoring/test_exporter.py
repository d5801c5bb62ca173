"""What `nightcap exporter` serves."""

import subprocess
import sys
import time
import urllib.request
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from prometheus_client.parser import text_string_to_metric_families

from pipeline.core.environment import Home
from pipeline.registry.journal import Change, Journal
from serving.monitoring.exporter import exporting
from tests.pipeline.registry.light_registry import add_versions
from tests.services import free_port

NOWHERE = "http://127.0.0.1:9"


@pytest.fixture
def home(tmp_path):
    (tmp_path / "store").mkdir()
    return Home(tmp_path, tmp_path / "store", f"sqlite:///{tmp_path / 'mlflow.db'}")


def scraped(port):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60) as answer:
        families = list(text_string_to_metric_families(answer.read().decode()))
    return {
        (sample.name, sample.labels.get("folder")): sample.value for family in families for sample in family.samples
    }


def served(home):
    with exporting(home, "127.0.0.1", 0) as port:
        return scraped(port)


def test_a_champion_is_told_from_its_first_promotion_on(home):
    assert served(home)["nightcap_champion", None] == 0
    digest = add_versions(home, "one").version("models:/captioner/1").digest
    change = {"model": "captioner", "action": "promote", "from": None, "to": "1", "digest": digest, "who": "test"}
    Journal.of(home).append(Change.model_validate(change), since=0)
    figures = served(home)
    assert (figures["nightcap_champion", None], figures["nightcap_registry_up", None]) == (1, 1)
    Journal.of(home).append(Change.model_validate(change | {"digest": "d"}), since=1)  # other bytes by that number
    assert served(home)["nightcap_champion", None] == 0
    figures = served(replace(home, tracking_uri=f"sqlite:///{home.root / 'another.db'}"))
    assert (figures["nightcap_champion", None], figures["nightcap_registry_up", None]) == (0, 1)


def test_a_registry_that_is_gone_is_told_and_nothing_said_of_the_champion(home):
    figures = served(replace(home, tracking_uri=NOWHERE))
    assert figures["nightcap_registry_up", None] == 0
    assert ("nightcap_champion", None) not in figures


@pytest.fixture
def mlflow(monkeypatch):
    """A server that is well by its `/health` and answers all else with the handler's `code`; and its address."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")

    class Handler(BaseHTTPRequestHandler):
        code = 200

        def do_GET(self):
            body = b"OK" if self.path == "/health" else b'{"model_version": {"name": "captioner", "version": "1"}}'
            self.send_response(200 if self.path == "/health" else self.code)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield Handler, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize("code", [401, 500])
def test_a_registry_that_is_well_but_refuses_or_fails_is_down(home, mlflow, code):
    handler, address = mlflow
    there = replace(home, tracking_uri=address)
    figures = served(there)
    assert (figures["nightcap_champion", None], figures["nightcap_registry_up", None]) == (0, 1)
    handler.code = code
    figures = served(there)
    assert figures["nightcap_registry_up", None] == 0
    assert ("nightcap_champion", None) not in figures


def test_disks_are_told_by_folder(home):
    figures = served(replace(home, tracking_uri=NOWHERE))
    for folder in (str(home.root), str(home.store)):
        assert 0 < figures["nightcap_disk_free_bytes", folder] < figures["nightcap_disk_size_bytes", folder]


def test_the_command_serves_until_it_is_told_to_end(home, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", NOWHERE)
    port = free_port()
    process = subprocess.Popen([sys.executable, "-m", "nightcap", "exporter", "--port", str(port)])
    try:
        for _ in range(300):
            try:
                assert ("nightcap_registry_up", None) in scraped(port)
                break
            except OSError:
                time.sleep(0.1)
        else:
            raise AssertionError("it did not answer")
    finally:
        process.terminate()
        assert process.wait(30) == 143
