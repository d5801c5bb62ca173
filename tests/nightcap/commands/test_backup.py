"""What `nightcap backup` and `nightcap move` say; what they do is shown by tests/integration/test_backup.py."""

from pipeline.storage.files import write_text
from pipeline.upkeep.backup.catalog import DUMPS, Shelf


def test_a_backup_is_checked_from_the_command_line(run, tmp_path):
    shelf = Shelf(tmp_path)
    shelf.begin()
    for name in DUMPS:
        write_text(shelf.partial / "databases" / name, name)
    made = shelf.finish({"pictures": False})
    ended = run("backup", "check", str(tmp_path))
    assert (ended.code, ended.out) == (0, f"{made} is whole\n")
    (made / "databases" / DUMPS[0]).unlink()
    assert run("backup", "check", str(tmp_path)).refused(1, str(made), "1 missing", "use another")
    assert run("backup", "check", str(tmp_path), "--name", "last").refused(2, "no backup 'last'", made.name)


def test_a_move_must_be_told_the_stacks_database(run, tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_BACKEND_STORE_URI", raising=False)
    assert run("move", str(tmp_path)).refused(2, "MLFLOW_BACKEND_STORE_URI is not set")
    monkeypatch.setenv("MLFLOW_BACKEND_STORE_URI", "sqlite:///nowhere.db")
    assert run("move", str(tmp_path)).refused(2, "has no mlflow.db")
