"""MLflow's database is there whole, or not at all."""

import signal
import sqlite3
import subprocess
import sys

from pipeline.registry.sqlite import create_database
from tests.until import until


def uri_of(path):
    return f"sqlite:///{path}"


def tables(path):
    with sqlite3.connect(path) as database:
        return {name for (name,) in database.execute("select name from sqlite_master where type = 'table'")}


def test_what_mlflow_makes_is_used_by_mlflow(tmp_path):
    path = tmp_path / "new folder" / "mlflow.db"
    create_database(uri_of(path), tmp_path / "files")
    assert {"experiments", "runs", "registered_models", "alembic_version"} <= tables(path)
    assert [file.name for file in path.parent.iterdir()] == ["mlflow.db"]

    import mlflow

    client = mlflow.MlflowClient(uri_of(path))
    (usual,) = client.search_experiments()
    assert usual.artifact_location == (tmp_path / "files" / "0").as_uri()
    client.create_registered_model("captioner")
    before = path.read_bytes()
    create_database(uri_of(path), tmp_path / "files")
    assert path.read_bytes() == before


def test_a_stopped_process_leaves_none(tmp_path):
    path = tmp_path / "mlflow.db"
    code = "import sys, pathlib; from pipeline.registry.sqlite import create_database as create; create(sys.argv[1], pathlib.Path(sys.argv[2]))"
    process = subprocess.Popen([sys.executable, "-c", code, uri_of(path), str(tmp_path / "files")])
    try:
        until(
            lambda: any(file.stat().st_size for file in tmp_path.glob(".mlflow.db.*/*.db")),
            60,
            "no database was begun",
            process=process,
            pause=0.005,
        )
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert not path.exists()
    create_database(uri_of(path), tmp_path / "files")
    assert "registered_models" in tables(path)


def test_other_addresses_are_left_alone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    create_database("http://127.0.0.1:9", tmp_path / "files")
    assert list(tmp_path.iterdir()) == []
