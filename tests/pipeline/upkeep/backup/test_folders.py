import os
import shutil

import pytest
from deltalake import DeltaTable

from pipeline.core.errors import ObjectUnavailable, Permanent, SettingsError
from pipeline.storage.tables import CaptionTable
from pipeline.storage.tables.commits import APPLICATION
from pipeline.upkeep.backup.folders import add_folder, copy_folder, every_file, relative_files
from tests.pipeline.storage.tables.table_rows import row, rows


def publish(table, number):
    table.append(rows(row(f"{number}.jpg", night=str(number))), table.version())
    table.write_current()


def test_a_copy_is_one_state_of_every_table_though_others_publish_after_every_look(tmp_path, monkeypatch):
    table, walk = CaptionTable(tmp_path / "live" / "captions"), os.walk
    publish(table, 0)

    def disturbed(root, **options):
        for entry in walk(root, **options):
            yield entry
            publish(table, table.version())

    monkeypatch.setattr(os, "walk", disturbed)
    copy_folder(tmp_path / "live", tmp_path / "copy")
    history, current = (DeltaTable(str(tmp_path / "copy" / name)) for name in ("captions", "captions_current"))
    count, shown = (each.transaction_version(APPLICATION) for each in (history, current))
    assert {row["image"] for row in history.to_pyarrow_table().to_pylist()} == {f"{each}.jpg" for each in range(count)}
    assert len(current.to_pyarrow_table()) == shown
    assert 1 < shown < count < table.version()


def test_a_table_that_lost_a_file_meanwhile_is_not_copied(tmp_path, monkeypatch):
    table = CaptionTable(tmp_path / "live" / "captions")
    publish(table, 0)
    real = shutil.copy2

    def vacuumed(source, target):
        if source.suffix == ".parquet":
            source.unlink()
        real(source, target)

    monkeypatch.setattr(shutil, "copy2", vacuumed)
    with pytest.raises(ObjectUnavailable, match="removed while it was copied"):
        copy_folder(tmp_path / "live", tmp_path / "copy")


def test_a_table_that_lost_a_file_before_it_was_seen_is_not_copied(tmp_path, monkeypatch):
    table, walk, looks = CaptionTable(tmp_path / "live" / "captions"), os.walk, []
    publish(table, 0)

    def vacuumed(root, **options):
        looks.append(root)
        if len(looks) == 2:  # the logs are known by then
            next((tmp_path / "live/captions").glob("*.parquet")).unlink()
        return walk(root, **options)

    monkeypatch.setattr(os, "walk", vacuumed)
    with pytest.raises(ObjectUnavailable, match=r"live/captions/.*\.parquet was removed while it was copied"):
        copy_folder(tmp_path / "live", tmp_path / "copy")


@pytest.mark.parametrize("listed", [relative_files, every_file])
def test_a_folder_that_cannot_be_listed_is_not_taken_for_an_empty_one(tmp_path, monkeypatch, listed):
    (tmp_path / "a" / "secret").mkdir(parents=True)
    real = os.scandir

    def refused(path):
        if str(path).endswith("secret"):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", refused)
    with pytest.raises(ObjectUnavailable, match=r"a/secret cannot be listed: Permission denied; let user \d+ read it"):
        list(listed(tmp_path))


@pytest.mark.parametrize("listed", [relative_files, every_file])
def test_a_link_to_what_a_copy_would_lack_is_refused(tmp_path, listed):
    (tmp_path / "mounted").mkdir()
    (tmp_path / "live").mkdir()
    (tmp_path / "live" / "store").symlink_to(tmp_path / "mounted")
    with pytest.raises(SettingsError, match=r"live/store is a link to .*/mounted"):
        list(listed(tmp_path / "live"))


def test_of_a_model_every_file_counts(tmp_path):
    for name in (".hidden/a", "weights#1", "_last_checkpoint"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert sorted(every_file(tmp_path)) == [".hidden/a", "_last_checkpoint", "weights#1"]
    assert list(relative_files(tmp_path)) == []


def test_of_nights_what_is_done_with_meanwhile_is_left_out(tmp_path, monkeypatch):
    (tmp_path / "nights").mkdir()
    for name in ("part.parquet", "report.json"):
        (tmp_path / "nights" / name).write_text(name)
    real = shutil.copy2

    def published(source, target):
        (tmp_path / "nights" / "part.parquet").unlink(missing_ok=True)
        real(source, target)

    monkeypatch.setattr(shutil, "copy2", published)
    assert copy_folder(tmp_path / "nights", tmp_path / "copy", fleeting=True) == 1
    assert [path.name for path in (tmp_path / "copy").iterdir()] == ["report.json"]


def test_scratch_links_and_what_is_left_out_are_not_copied(tmp_path):
    root = tmp_path / "live"
    for name in ("kept/a.txt", "kept/.scratch", ".trash/b", "cache/c", "kept/cache/d", "t/_delta_log/_last_checkpoint"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    (root / "kept" / "link").symlink_to(root / "kept" / "a.txt")
    os.utime(root / "kept/a.txt", ns=(1, 123_456_789))
    assert list(relative_files(root, ["cache"])) == ["kept/a.txt", "kept/cache/d"]
    assert copy_folder(root, tmp_path / "copy", ["cache"]) == 2
    assert (tmp_path / "copy/kept/a.txt").stat().st_mtime_ns == 123_456_789


def test_a_folder_that_is_not_there_is_empty(tmp_path):
    assert copy_folder(tmp_path / "nowhere", tmp_path / "copy") == 0


def test_what_is_there_stays_and_what_differs_is_refused(tmp_path):
    for name in ("a", "b"):
        (tmp_path / "from").mkdir(exist_ok=True)
        (tmp_path / "from" / name).write_text(name)
    (tmp_path / "to").mkdir()
    (tmp_path / "to" / "a").write_text("a")
    assert add_folder(tmp_path / "from", tmp_path / "to", ["a", "b"]) == 2
    (tmp_path / "to" / "b").write_text("changed")
    with pytest.raises(Permanent, match="another content"):
        add_folder(tmp_path / "from", tmp_path / "to", ["a", "b"])
    assert {path.name: path.read_text() for path in (tmp_path / "to").iterdir()} == {"a": "a", "b": "changed"}
