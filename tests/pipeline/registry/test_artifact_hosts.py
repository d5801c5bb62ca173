import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import mlflow
import pytest
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

from pipeline.core.environment import Home
from pipeline.core.errors import BundleRejected
from pipeline.registry.artifact_hosts import keep_to_own_hosts
from pipeline.registry.versions import Registry

SERVER = "https://user:word@mlflow.example:5000/prefix"


@pytest.fixture
def stranger():
    """The address of a server, and what was requested of it."""
    requests = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            requests.append(self.headers.get("Authorization", "no password"))
            self.send_error(404)

        def log_message(self, *args):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/api/2.0/mlflow-artifacts/artifacts/x", requests
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    root = tmp_path_factory.mktemp("home")
    return Home(root, root / "store", f"sqlite:///{root / 'mlflow.db'}")


def test_no_password_goes_to_the_host_that_a_version_names(home, stranger, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "night")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "a-secret")
    registry, (address, requests) = Registry(home), stranger
    client = mlflow.MlflowClient(home.tracking_uri)
    client.create_registered_model("evil")
    client.create_model_version("evil", source=address)
    with pytest.raises(BundleRejected, match="from the tracking server alone"):
        registry.download("models:/evil/1", ".", tmp_path / "model")
    assert requests == []


def test_no_password_goes_to_the_host_that_an_experiment_names(home, stranger, tmp_path):
    registry, (address, requests) = Registry(home), stranger
    client = mlflow.MlflowClient(home.tracking_uri)
    run = client.create_run(client.create_experiment("evil", artifact_location=address)).info.run_id
    with registry.answering(), pytest.raises(BundleRejected, match="Register the model anew"):
        client.list_artifacts(run)
    assert requests == []


@pytest.mark.parametrize(
    "uri",
    [
        "https://evil.example/x",
        "http://mlflow.example:5000/x",
        "https://mlflow.example/x",
        r"https://evil.example\@mlflow.example:5000/x",
        "https://mlflow.example:5000@evil.example/x",
        "HTTPS://evil.example/x",
        "mlflow-artifacts://evil.example:5000/x",
        "ftp://evil.example/x",
        "sftp://evil.example/x",
        "hdfs://evil.example/x",
        "abfss://files@account.evil.example/x",
        r"abfss://files@evil.example\.dfs.core.windows.net/x",
    ],
)
def test_another_host_is_refused(uri):
    keep_to_own_hosts()
    with pytest.raises(BundleRejected, match="as the place of these files"):
        get_artifact_repository(uri, tracking_uri=SERVER)


@pytest.mark.parametrize(
    "uri",
    [
        "mlflow-artifacts:/1/models/m/artifacts",
        "mlflow-artifacts://mlflow.example:5000/1",
        "https://mlflow.example:5000/prefix/api/2.0/mlflow-artifacts/artifacts/1",
        "file:///srv/artifacts/1",
        "/srv/artifacts/1",
        "s3://bucket/1",
    ],
)
def test_the_server_and_stores_are_let_through(uri):
    keep_to_own_hosts()
    assert get_artifact_repository(uri, tracking_uri=SERVER).artifact_uri


@pytest.mark.parametrize("server", ["https://mlflow.example", "https://mlflow.example:443"])
def test_the_usual_port_may_be_named_or_not(server):
    keep_to_own_hosts()
    for place in (
        "https://mlflow.example/x",
        "https://mlflow.example:443/x",
        "mlflow-artifacts://mlflow.example:443/x",
    ):
        assert get_artifact_repository(place, tracking_uri=server).artifact_uri
    with pytest.raises(BundleRejected):
        get_artifact_repository("https://mlflow.example:80/x", tracking_uri=server)
