"""What a move refuses; that it moves is shown on the stack, by tests/integration/test_backup.py."""

import fcntl
import sqlite3
from contextlib import closing
from dataclasses import replace

import pytest

from pipeline.core.environment import Home
from pipeline.core.errors import SettingsError
from pipeline.registry.sqlite import create_database
from pipeline.upkeep.backup.move import Move


@pytest.fixture
def move(tmp_path):
    home = Home(tmp_path / "stack", tmp_path / "stack/store", "http://127.0.0.1:9")
    return Move(tmp_path / "embedded", home, f"sqlite:///{tmp_path / 'target.db'}", "s3://mlflow")


def test_a_folder_without_a_database_is_no_home(move):
    with pytest.raises(SettingsError, match=r"has no mlflow\.db"):
        move.run()


def test_a_home_that_airflow_works_in_stays(move, tmp_path):
    lock = tmp_path / "embedded" / "airflow" / "lock"
    lock.parent.mkdir(parents=True)
    (tmp_path / "embedded" / "mlflow.db").touch()
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(SettingsError, match="stop `make run` first"):
            replace(move, source=tmp_path / "embedded").run()


def test_a_home_does_not_move_into_itself(move, tmp_path):
    (tmp_path / "embedded").symlink_to(tmp_path / "stack")
    (tmp_path / "stack").mkdir()
    (tmp_path / "stack" / "mlflow.db").touch()
    with pytest.raises(SettingsError, match="is the home that it would move into"):
        move.run()


@pytest.mark.parametrize("dry_run", [True, False])
def test_versions_whose_files_stay_behind_stop_it_before_anything_is_copied(move, tmp_path, dry_run):
    source = tmp_path / "embedded"
    create_database(f"sqlite:///{source / 'mlflow.db'}", source / "store/mlflow")
    create_database(move.database, source / "store/mlflow")
    (source / "store").mkdir(exist_ok=True)
    (source / "store" / "kept.json").touch()
    with closing(sqlite3.connect(source / "mlflow.db")) as database, database:
        database.execute("PRAGMA foreign_keys = OFF")
        database.execute(
            "INSERT INTO model_versions (name, version, storage_location, workspace) VALUES ('captioner', 1, ?, 'default')",
            [f"{(source / 'store/mlflow').as_uri()}/models/m 1/artifacts".replace(" ", "%20")],
        )
    with pytest.raises(SettingsError, match=r"files are not at .*store/mlflow/models/m 1/artifacts; .*NIGHTCAP_STORE"):
        move.run(dry_run)
    assert not (tmp_path / "stack").exists()
