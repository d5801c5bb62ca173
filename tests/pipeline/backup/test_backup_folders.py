import os
import shutil

import pytest
from deltalake import DeltaTable

from pipeline.backup.folders import add_folder, copy_folder, files_of
from pipeline.errors import ObjectUnavailable, TargetNotEmpty
from pipeline.table import APPLICATION, CaptionTable
from tests.pipeline.table_rows import row, rows


def publish(table, number):
    table.append(rows(row(f"{number}.jpg", night=str(number))), table.version())
    table.write_current()


def test_a_copy_is_one_state_of_every_table_though_others_publish_after_every_look(tmp_path, monkeypatch):
    table, walk = CaptionTable(tmp_path / "live" / "captions"), os.walk
    publish(table, 0)

    def disturbed(root):
        for entry in walk(root):
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
    assert list(files_of(root, ["cache"])) == ["kept/a.txt", "kept/cache/d"]
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
    assert add_folder(tmp_path / "from", tmp_path / "to") == 2
    (tmp_path / "to" / "b").write_text("changed")
    with pytest.raises(TargetNotEmpty, match="another content"):
        add_folder(tmp_path / "from", tmp_path / "to")
    assert {path.name: path.read_text() for path in (tmp_path / "to").iterdir()} == {"a": "a", "b": "changed"}
