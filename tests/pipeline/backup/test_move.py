"""What a move refuses; that it moves is shown on the stack, by tests/integration/test_backup.py."""

import fcntl
from dataclasses import replace

import pytest

from pipeline.backup.move import Move
from pipeline.errors import SettingsError
from pipeline.home import Home


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
