import socket
import time
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from pipeline.core.errors import ModelNotFound, RegistryUnavailable, SettingsError
from pipeline.registry import connection
from pipeline.registry.versions import Registry
from tests.pipeline.registry.light_registry import home_in


def at(tracking_uri, root):
    return replace(home_in(root), tracking_uri=tracking_uri)


def test_what_goes_wrong_in_mlflow_may_come_right_later(tmp_path):
    import mlflow

    home = home_in(tmp_path)
    registry = Registry(home)
    with pytest.raises(RegistryUnavailable, match=r"Run .*0{32}.* not found"), registry.answering():
        mlflow.MlflowClient(home.tracking_uri).get_run("0" * 32)
    with pytest.raises(ZeroDivisionError), registry.answering():
        raise ZeroDivisionError


@pytest.mark.parametrize(
    "tracking_uri", ["http://127.0.0.1:1", "http://127.0.0.1:1/", "http://127.0.0.1:port", "http://", "foo://bar"]
)
def test_an_address_where_nobody_answers_is_one_line_within_seconds(tracking_uri, tmp_path):
    started = time.monotonic()
    with pytest.raises(RegistryUnavailable) as caught:
        Registry(at(tracking_uri, tmp_path)).versions()
    assert time.monotonic() - started < 10
    message = str(caught.value)
    assert message.startswith(f"MLflow at {tracking_uri} does not answer (")
    assert message.endswith("; check MLFLOW_TRACKING_URI")
    assert "\n" not in message
    assert caught.value.exit_code == 1


@pytest.mark.parametrize("answer", [b"SSH-2.0-OpenSSH_9.2\r\n", b""])
def test_a_server_that_is_no_mlflow_is_one_line(answer, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = Thread(target=answer_once, args=(server, answer))
        thread.start()
        with pytest.raises(RegistryUnavailable, match="does not answer"):
            Registry(at(f"http://127.0.0.1:{server.getsockname()[1]}", tmp_path))
        thread.join()


class Guarded(BaseHTTPRequestHandler):
    """An MLflow with accounts where nothing is registered: it is well, finds nothing, and answers the rest with `code`."""

    code = 403

    def do_GET(self):
        free = self.path == "/health" or "/search" in self.path
        body = b"{}" if free else b"Permission denied"
        self.send_response(200 if free else self.code)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def guarded(tmp_path):
    with ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (Guarded,), {})) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield server.RequestHandlerClass, Registry(at(f"http://127.0.0.1:{server.server_port}", tmp_path))
        server.shutdown()
        thread.join()


def test_who_is_let_in_nowhere_is_told_so_and_not_that_the_server_is_down(guarded):
    handler, registry = guarded
    handler.code = 401
    with pytest.raises(RegistryUnavailable) as caught:
        registry.resolve("models:/captioner@champion")
    assert " refuses (" in str(caught.value)
    assert str(caught.value).endswith("; check MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD")


def test_a_missing_model_is_missing_although_mlflow_with_accounts_refuses_it(guarded):
    _, registry = guarded
    with pytest.raises(ModelNotFound, match="no model at models:/captioner@champion"):
        registry.resolve("models:/captioner@champion")
    assert registry.aliased("captioner", "champion") is None


def answer_once(server, answer):
    peer, _ = server.accept()
    with peer:
        peer.recv(1000)
        peer.sendall(answer)


def test_a_silent_server_is_given_up_within_seconds(tmp_path, monkeypatch):
    assert connection.HEALTH_TIMEOUT_S <= 5
    monkeypatch.setattr(connection, "HEALTH_TIMEOUT_S", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as server:
        started = time.monotonic()
        with pytest.raises(RegistryUnavailable, match="timed out"):
            Registry(at(f"http://127.0.0.1:{server.getsockname()[1]}", tmp_path))
        assert time.monotonic() - started < 4


def test_a_password_in_the_address_is_not_repeated(tmp_path):
    with pytest.raises(RegistryUnavailable) as caught:
        Registry(at("http://someone:canary@127.0.0.1:1", tmp_path))
    assert "canary" not in str(caught.value)
    assert "127.0.0.1:1" in str(caught.value)


def test_a_database_that_is_none_is_one_line(tmp_path):
    (tmp_path / "mlflow.db").write_text("this is no database, whatever its name says" * 100)
    with pytest.raises(RegistryUnavailable, match="does not answer") as caught:
        Registry(at(f"sqlite:///{tmp_path / 'mlflow.db'}", tmp_path)).versions()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["50%41", "what?"])
def test_a_database_whose_path_would_be_misread_is_refused_before_anything_is_made(tmp_path, name):
    with pytest.raises(SettingsError, match=r"MLFLOW_TRACKING_URI is .*rename its folder"):
        Registry(at(f"sqlite:///{tmp_path / name / 'mlflow.db'}", tmp_path))
    assert list(tmp_path.iterdir()) == []
