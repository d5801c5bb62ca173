import shutil
import sqlite3
from contextlib import closing

import pytest

from pipeline.core.errors import Permanent, RegistryUnavailable, SettingsError
from pipeline.registry.sqlite import create_database
from pipeline.registry.versions import REMOVED_TAG
from pipeline.upkeep.backup.mlflow_rows import copy_rows, require_fit


@pytest.fixture(scope="module")
def unused(tmp_path_factory):
    """A database as MLflow makes it, of a home."""
    root = tmp_path_factory.mktemp("unused")
    create_database(f"sqlite:///{root / 'mlflow.db'}", root / "store" / "mlflow")
    return root


@pytest.fixture(scope="module")
def used(unused, tmp_path_factory):
    """One with a run and a version."""
    import mlflow

    root = tmp_path_factory.mktemp("us ed") / "home"
    shutil.copytree(unused, root)
    client = mlflow.MlflowClient(f"sqlite:///{root / 'mlflow.db'}")
    location = (root / "store/mlflow").as_uri()
    run = client.create_run(client.create_experiment("captioner", artifact_location=location), tags={"who": "\u00e9"})
    for step in range(3):
        client.log_metric(run.info.run_id, "loss", float("nan") if step == 1 else 0.5 / (step + 1), step=step)
    client.log_param(run.info.run_id, "note", f"{location}elsewhere/x")
    client.create_registered_model("captioner")
    client.create_model_version("captioner", f"{location}/models/m-1/artifacts", run.info.run_id)
    client.set_registered_model_alias("captioner", "champion", "1")
    return root


@pytest.fixture
def target(unused, tmp_path):
    return f"sqlite:///{shutil.copy(unused / 'mlflow.db', tmp_path / 'target.db')}"


def everything(uri):
    with closing(sqlite3.connect(uri.removeprefix("sqlite:///"))) as database:
        return list(database.iterdump())


def test_every_row_comes_along_and_artifacts_have_their_new_address(used, target):
    before = everything(f"sqlite:///{used / 'mlflow.db'}")
    counts = copy_rows(used / "mlflow.db", target, "s3://mlflow")
    assert (counts["runs"], counts["metrics"], counts["model_versions"]) == (1, 3, 1)
    old, default = (used / "store/mlflow").as_uri(), everything(target)
    assert not [line for line in default if f"'{old}/" in line]
    moved = [line.replace("'s3://mlflow", f"'{old}") for line in default]
    assert sorted(line for line in moved if "/0'" not in line) == sorted(line for line in before if "/0'" not in line)
    assert any("'s3://mlflow/0'" in line for line in default)
    assert any(f"{old}elsewhere/x" in line for line in default)


def test_a_dry_run_takes_everything_back(used, target):
    before = everything(target)
    assert copy_rows(used / "mlflow.db", target, "s3://mlflow", dry_run=True)["runs"] == 1
    assert everything(target) == before


def test_what_holds_runs_is_refused(used, target):
    copy_rows(used / "mlflow.db", target, "s3://mlflow")
    before = everything(target)
    with pytest.raises(Permanent, match=r"already holds 1 experiments, .*1 registered_models, 1 runs"):
        copy_rows(used / "mlflow.db", target, "s3://mlflow")
    assert everything(target) == before


def test_what_holds_an_experiment_that_accounts_may_refer_to_is_refused(used, target):
    import mlflow

    mlflow.MlflowClient(target).create_experiment("nights")
    with pytest.raises(Permanent, match=r"already holds 1 experiments; .*before the stack's first whole start"):
        require_fit(used / "mlflow.db", target)


def test_any_row_that_a_move_would_remove_is_refused(used, target):
    with closing(sqlite3.connect(target.removeprefix("sqlite:///"))) as database, database:
        database.execute("INSERT INTO input_tags VALUES ('1', 'name', 'value')")
        database.execute("INSERT INTO scheduler_leases VALUES ('moment', 'server', 0)")
    with pytest.raises(Permanent, match="already holds 1 input_tags; "):
        require_fit(used / "mlflow.db", target)


def test_it_tells_where_files_of_versions_lie_that_were_not_removed(used, target, tmp_path):
    assert require_fit(used / "mlflow.db", target) == ("models/m-1/artifacts",)
    removed = shutil.copy(used / "mlflow.db", tmp_path / "removed.db")
    with closing(sqlite3.connect(removed)) as database, database:
        columns = "name, version, key, value, workspace"
        database.execute(
            f"INSERT INTO model_version_tags ({columns}) VALUES ('captioner', 1, ?, 'x', 'default')", [REMOVED_TAG]
        )
    assert require_fit(tmp_path / "removed.db", target) == ()


def test_databases_of_two_mlflows_are_refused(used, target, tmp_path):
    older = shutil.copy(used / "mlflow.db", tmp_path / "older.db")
    with closing(sqlite3.connect(older)) as database, database:
        database.execute("UPDATE alembic_version SET version_num = 'older'")
    with pytest.raises(SettingsError, match=r"tables of older.*mlflow db upgrade"):
        require_fit(tmp_path / "older.db", target)


def test_artifacts_in_no_home_are_refused(used, target, tmp_path):
    astray = shutil.copy(used / "mlflow.db", tmp_path / "astray.db")
    with closing(sqlite3.connect(astray)) as database, database:
        database.execute("UPDATE runs SET artifact_uri = 'file:///mnt/mlruns/1/artifacts'")
    before = everything(target)
    with pytest.raises(SettingsError, match=r"runs\.artifact_uri names file:///mnt/mlruns/1/artifacts"):
        copy_rows(tmp_path / "astray.db", target, "s3://mlflow")
    assert everything(target) == before


def test_a_row_that_is_refused_leaves_nothing_behind(used, target):
    with closing(sqlite3.connect(target.removeprefix("sqlite:///"))) as database, database:
        database.execute("CREATE TRIGGER full BEFORE INSERT ON tags BEGIN SELECT RAISE(ABORT, 'disk full'); END")
    before = everything(target)
    with pytest.raises(RegistryUnavailable, match="disk full"):
        copy_rows(used / "mlflow.db", target, "s3://mlflow")
    assert everything(target) == before


def test_a_file_of_something_else_is_refused(target, tmp_path):
    with closing(sqlite3.connect(tmp_path / "other.db")) as database:
        database.execute("CREATE TABLE notes (text)")
    with pytest.raises(SettingsError, match="no database of MLflow's"):
        require_fit(tmp_path / "other.db", target)
