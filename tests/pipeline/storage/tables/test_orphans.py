"""Files that dead writers left in the folders of tables."""

import os
import time
from pathlib import Path

import pytest
from deltalake import DeltaTable

from pipeline.storage.tables import CaptionTable, commits
from pipeline.storage.tables.corrections import CorrectionTable
from pipeline.storage.tables.maintenance import vacuum_table
from pipeline.storage.tables.orphans import unnamed_files
from tests.pipeline.storage.tables.correction_rows import correction
from tests.pipeline.storage.tables.table_rows import row, rows

DAY = 86_400


def captions(folder):
    table = CaptionTable(folder / "captions")
    return table, lambda image: table.append(rows(row(image)), table.version())


def corrections(folder):
    table = CorrectionTable(folder / "corrections")
    return table, lambda image: table.append([correction(image)])


def vacuum(table, days):
    return table.vacuum(days) if isinstance(table, CorrectionTable) else vacuum_table(table, days)


def killed(*_, **__):
    raise KeyboardInterrupt


def die_before_the_commit(write, monkeypatch):
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(commits, "_add_to_log", killed)
        write("/secret")


def orphans(table):
    return unnamed_files(DeltaTable(table.uri))


def age(table, days):
    for path in orphans(table):
        os.utime(path, (time.time() - days * DAY,) * 2)


@pytest.mark.parametrize("kind", [captions, corrections])
def test_what_a_writer_left_that_was_killed_before_its_commit_goes_a_day_later(kind, tmp_path, monkeypatch):
    table, write = kind(tmp_path)
    write("/a")
    vacuum(table, 0)
    die_before_the_commit(write, monkeypatch)
    assert len(orphans(table)) == 1
    vacuum(table, 0)
    assert len(orphans(table)) == 1, "its writer may be at work"
    age(table, 1.1)
    vacuum(table, 7)
    assert len(orphans(table)) == 1
    vacuum(table, 1)
    assert orphans(table) == []
    write("/b")


@pytest.mark.parametrize("kind", [captions, corrections])
def test_a_writer_that_was_stopped_for_days_writes_its_rows_again(kind, tmp_path, monkeypatch):
    """Its file was removed meanwhile, and no commit names it."""
    table, write = kind(tmp_path)
    write("/a")
    add = commits._add_to_log

    def stopped(*arguments):
        monkeypatch.undo()
        age(table, 2)
        vacuum(table, 1)
        assert orphans(table) == []
        return add(*arguments)

    monkeypatch.setattr(commits, "_add_to_log", stopped)
    write("/b")
    assert sorted(DeltaTable(table.uri).to_pyarrow_table()["image"].to_pylist()) == ["/a", "/b"]


def test_what_releases_before_left_of_corrections_goes_too(tmp_path):
    table, write = corrections(tmp_path)
    write("/a")
    (named,) = Path(table.uri).glob("*.parquet")
    left = [named.with_name(f"part-{'0' * 32}.parquet"), named.with_name(f".part-{'1' * 32}.parquet.0123456789ab")]
    for path in left:
        path.write_bytes(named.read_bytes())
    assert orphans(table) == sorted(left)
    table.vacuum(0)
    assert orphans(table) == sorted(left)
    assert table.forget({"/none"}) == 0
    assert orphans(table) == []
    assert [each.image for each in table.read()] == ["/a"]
