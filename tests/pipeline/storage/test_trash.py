"""Garbage goes as a whole, unless it is in use."""

import os
import shutil

import pytest

from pipeline.core.environment import Home
from pipeline.storage.files import write_text
from pipeline.storage.locks import OutputLocks
from pipeline.storage.trash import TRASH, Garbage, discard, empty_trash, modified_at, size_of, written_at


@pytest.fixture
def home(tmp_path):
    return Home(tmp_path, tmp_path / "store", "")


@pytest.fixture
def output(home):
    folder = home.store / "stages" / "train" / "abc"
    folder.mkdir(parents=True)
    (folder / "stage.json").write_text("{}")
    for path in (folder / "stage.json", folder):
        os.utime(path, (1000, 1000))
    return folder


def garbage(folder, since=2000.0):
    return Garbage("output", (folder, folder.with_name("none")), written_at(folder), since, folder / "stage.json")


def test_garbage_is_renamed_and_then_removed(home, output):
    assert garbage(output).is_expired
    assert garbage(output).size == 2
    assert discard(home, garbage(output))
    assert not output.exists()
    assert [path.name for path in (home.store / TRASH).glob("*/*")] == ["abc"]
    empty_trash(home)
    assert not list((home.store / TRASH).iterdir())
    assert not discard(home, Garbage("output", (output,), 1000, 2000))


def test_garbage_in_use_or_used_since_stays(home, output):
    locks = OutputLocks()
    locks.hold(output / "stage.json")
    os.utime(output / "stage.json", (1000, 1000))
    assert not discard(home, garbage(output))
    del locks
    (output / "stage.json").touch()
    assert not discard(home, garbage(output))
    assert not garbage(output).is_expired
    assert output.is_dir()


def test_sizes_and_times_are_those_of_all_below_and_of_no_link(tmp_path):
    folder = tmp_path / "folder"
    (folder / "in").mkdir(parents=True)
    (folder / "in" / "file").write_bytes(bytes(10))
    (folder / "link").symlink_to("/dev/zero")
    os.utime(folder / "in" / "file", (5e9, 5e9))
    assert (size_of(folder), written_at(folder)) == (10, 5e9)
    assert (size_of(tmp_path / "none"), modified_at(tmp_path / "none")) == (0, 0.0)


def test_files_that_go_while_they_are_looked_at_stop_nobody(tmp_path, monkeypatch):
    walk = os.walk

    def late(folder):
        for found in walk(folder):
            shutil.rmtree(tmp_path / "a", ignore_errors=True)
            yield found

    write_text(tmp_path / "a" / "b" / "file", "12")
    write_text(tmp_path / "file", "345")
    monkeypatch.setattr(os, "walk", late)
    assert size_of(tmp_path) == 3
    assert written_at(tmp_path) == tmp_path.stat().st_mtime
