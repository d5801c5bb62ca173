"""What `nightcap backup` says; what it does is shown by tests/integration/test_backup.py."""

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
