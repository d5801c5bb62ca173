import socket
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import psutil
import pytest

from pipeline.core.environment import Home
from pipeline.core.errors import BundleRejected, ModelNotFound, RegistryUnavailable, SettingsError
from pipeline.registry import connection as mlflow_client
from pipeline.registry.versions import CHALLENGER, CHAMPION, DIGEST_TAG, Registry


@pytest.fixture(scope="module")
def empty_home(tmp_path_factory):
    """A home where nothing is registered by Nightcap."""
    root = tmp_path_factory.mktemp("empty")
    return Home(root, root / "store", f"sqlite:///{root / 'mlflow.db'}")


@pytest.fixture(scope="module")
def registry(tiny_run):
    return Registry(tiny_run.home)


def at(tracking_uri, tmp_path):
    return Home(tmp_path, tmp_path / "store", tracking_uri)


def test_a_version_is_found_by_alias_and_by_number(registry, tiny_run):
    by_number = registry.resolve("models:/captioner/1")
    assert by_number == registry.resolve("models:/captioner@champion") == registry.champion("captioner")
    assert by_number.uri == "models:/captioner/1"
    assert by_number.digest == tiny_run.output("bundle").figures()["bundle_digest"]
    assert by_number.engine == "tensorflow-float32"


def test_versions_are_listed_with_aliases_and_tags(registry, tiny_run):
    [version] = registry.versions("captioner")
    assert [version] == registry.versions()
    assert set(version.aliases) == {CHAMPION, CHALLENGER}
    assert version.tags[DIGEST_TAG] == tiny_run.output("bundle").figures()["bundle_digest"]
    session_began_s = psutil.Process().create_time() - 60  # it is told by the boot's clock, which drifts
    assert session_began_s < version.created_ms / 1000 <= time.time()
    assert registry.versions("another") == []


def test_a_version_is_found_by_its_digest(registry):
    [version] = registry.versions("captioner")
    assert registry.with_digest("captioner", version.tags[DIGEST_TAG]) == version
    assert registry.with_digest("captioner", "0" * 64) is None
    assert registry.with_digest("another", version.tags[DIGEST_TAG]) is None


@pytest.mark.parametrize(
    "uri", ["models:/captioner/7", "models:/captioner@rival", "models:/unheard/1", "models:/unheard@champion"]
)
def test_an_unknown_model_is_one_line_with_what_is_there(registry, tiny_run, uri):
    with pytest.raises(ModelNotFound) as caught:
        registry.resolve(uri)
    assert str(caught.value) == f"no model at {uri} in {tiny_run.home.tracking_uri}; registered: captioner/1"
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    "path", ["", "a", "a@", "@champion", "a/latest", "a/b/3", "a/1@champion", "a/-1", "a/²", "a/1.0"]
)
def test_a_malformed_uri_is_refused_with_the_two_forms(registry, path):
    uri = f"models:/{path}"
    with pytest.raises(SettingsError) as caught:
        registry.resolve(uri)
    assert not isinstance(caught.value, ModelNotFound)
    assert str(caught.value) == f"model {uri!r} is neither models:/name@alias nor models:/name/version"


def test_an_empty_registry_has_no_champion(empty_home):
    assert Registry(empty_home).champion("captioner") is None
    with pytest.raises(ModelNotFound, match=r"mlflow\.db; make one with `nightcap train`"):
        Registry(empty_home).resolve("models:/captioner@champion")


def test_a_version_nightcap_did_not_register_is_refused(empty_home):
    import mlflow

    registry = Registry(empty_home)
    client = mlflow.MlflowClient(empty_home.tracking_uri)
    client.create_registered_model("foreign")
    client.create_model_version("foreign", (empty_home.root / "model").as_uri())
    with pytest.raises(BundleRejected, match="models:/foreign/1 is version 1 without a bundle_digest tag"):
        registry.resolve("models:/foreign/1")
    registry.tag("foreign", "1", {DIGEST_TAG: "d"})
    registry.set_alias("foreign", "odd", "1")
    assert registry.resolve("models:/foreign@odd").digest == "d"
    client.delete_registered_model("foreign")


def test_an_experiment_is_made_once_in_the_store(empty_home):
    import mlflow

    registry = Registry(empty_home)
    made = registry.experiment("one")
    assert registry.experiment("one") == made != registry.experiment("two")
    location = mlflow.MlflowClient(empty_home.tracking_uri).get_experiment(made).artifact_location
    assert location == empty_home.artifacts.as_uri()


def test_what_goes_wrong_in_mlflow_may_come_right_later(empty_home):
    import mlflow

    registry = Registry(empty_home)
    with pytest.raises(RegistryUnavailable, match=r"Run .*0{32}.* not found"), registry.answering():
        mlflow.MlflowClient(empty_home.tracking_uri).get_run("0" * 32)
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
    assert registry.champion("captioner") is None


def answer_once(server, answer):
    connection, _ = server.accept()
    with connection:
        connection.recv(1000)
        connection.sendall(answer)


def test_a_silent_server_is_given_up_within_seconds(tmp_path, monkeypatch):
    assert mlflow_client.HEALTH_TIMEOUT_S <= 5
    monkeypatch.setattr(mlflow_client, "HEALTH_TIMEOUT_S", 0.5)
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
