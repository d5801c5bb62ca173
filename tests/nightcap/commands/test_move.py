"""`nightcap move`; what it moves is shown by tests/integration/test_backup.py."""


def test_a_move_must_be_told_the_stacks_database(run, tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_BACKEND_STORE_URI", raising=False)
    assert run("move", str(tmp_path)).refused(2, "MLFLOW_BACKEND_STORE_URI is not set")
    monkeypatch.setenv("MLFLOW_BACKEND_STORE_URI", "sqlite:///nowhere.db")
    assert run("move", str(tmp_path)).refused(2, "has no mlflow.db")
