import shutil
import subprocess
from datetime import UTC, datetime

import pytest

from pipeline.core.errors import Permanent, SettingsError
from pipeline.storage.files import read_json, write_bytes, write_json, write_text
from pipeline.upkeep.backup.catalog import BACKUP_SUMS, DUMPS, FACTS, Shelf, check_backup

NIGHT = datetime(2026, 11, 24, 2, tzinfo=UTC)


def filled(root):
    shelf = Shelf(root)
    folder = shelf.begin()
    for name in DUMPS:
        write_text(folder / "databases" / name, name)
    write_bytes(folder / "volumes" / "captions" / "a b\u2028.txt", b"\xff")
    return shelf


@pytest.fixture
def backup(tmp_path):
    return filled(tmp_path).finish({"pictures": False}, NIGHT)


def test_a_backup_is_named_by_its_moment_and_whole(backup):
    assert backup.name == "2026-11-24T020000Z"
    check_backup(backup)
    subprocess.run(["sha256sum", "--check", "--strict", "--quiet", BACKUP_SUMS], cwd=backup, check=True)


def test_what_was_stopped_is_no_backup_and_makes_room(tmp_path):
    shelf = filled(tmp_path)
    with pytest.raises(SettingsError, match="there is none"):
        shelf.choose("")
    assert list(shelf.begin().iterdir()) == []
    with pytest.raises(Permanent, match=r"lacks airflow\.dump, mlflow\.dump"):
        shelf.finish({})


@pytest.mark.parametrize("name", ["a%41", "50%", "a?b", "a\\b", "a^b"])
def test_a_folder_in_which_delta_lake_finds_no_table_is_refused_at_the_start(tmp_path, name):
    (tmp_path / name).mkdir()
    with pytest.raises(SettingsError, match=r"folder of backups: .*rename its folder, or name another"):
        Shelf(tmp_path / name).begin()
    assert not list((tmp_path / name).iterdir())


def test_what_was_stopped_and_cannot_go_is_told(tmp_path, monkeypatch):
    def refused(path):
        raise PermissionError(13, "Permission denied", str(path))

    shelf = filled(tmp_path)
    monkeypatch.setattr(shutil, "rmtree", refused)
    with pytest.raises(SettingsError, match=r"\.partial, the rest of a stopped backup, cannot be removed: .*denied"):
        shelf.begin()


def test_two_backups_are_not_made_at_once(tmp_path):
    with Shelf(tmp_path).alone():
        with pytest.raises(SettingsError, match="another backup is being made"), Shelf(tmp_path).alone():
            pass
        dumped = subprocess.run(["flock", "--nonblock", tmp_path / ".lock", "true"], check=False)
        assert dumped.returncode == 1
    with Shelf(tmp_path).alone():
        pass


def test_the_newest_is_chosen_unless_one_is_named(tmp_path, backup):
    later = filled(tmp_path).finish({"pictures": False}, NIGHT.replace(hour=3))
    shelf = Shelf(tmp_path)
    assert (shelf.choose(""), shelf.choose(backup.name)) == (later, backup)
    with pytest.raises(SettingsError, match=r"no backup '\.\./x'.*there are 2026-11-24T020000Z, 2026-11-24T030000Z"):
        shelf.choose("../x")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda backup: (backup / "databases/mlflow.dump").unlink(), "1 missing, such as databases/mlflow.dump"),
        (lambda backup: write_text(backup / "databases/mlflow.dump", "x"), "1 altered, such as databases/mlflow.dump"),
        (lambda backup: write_text(backup / "volumes/more", "x"), "1 not listed, such as volumes/more"),
        (lambda backup: (backup / BACKUP_SUMS).unlink(), "has no SHA256SUMS"),
    ],
)
def test_damage_is_told(backup, change, told):
    change(backup)
    with pytest.raises(Permanent, match=told):
        check_backup(backup)


def test_an_unknown_format_is_refused(backup):
    facts = read_json(backup / FACTS)
    text = (backup / BACKUP_SUMS).read_text()
    before = subprocess.run(["sha256sum", FACTS], cwd=backup, check=True, capture_output=True, text=True).stdout
    write_json(backup / FACTS, facts | {"format": 2})
    after = subprocess.run(["sha256sum", FACTS], cwd=backup, check=True, capture_output=True, text=True).stdout
    write_text(backup / BACKUP_SUMS, text.replace(before, after))
    with pytest.raises(Permanent, match="has format 2"):
        check_backup(backup)


def test_a_shelf_must_be_there(tmp_path):
    with pytest.raises(SettingsError, match="make it, and give it to that user"), Shelf(tmp_path / "nowhere").alone():
        pass


def test_a_line_break_in_a_name_is_refused_before_the_backup_is_one(tmp_path):
    shelf = filled(tmp_path)
    write_text(shelf.partial / "a\nb", "")
    with pytest.raises(Permanent, match="line break"):
        shelf.finish({"pictures": False})
    assert shelf.partial.is_dir()
