import signal
import subprocess
import sys

import pytest

from pipeline.storage.files import read_json, write_json, write_text
from pipeline.storage.stage_outputs import Store

KILLED_MIDWAY = """
import sys, time
from pathlib import Path
from pipeline.storage.stage_outputs import Store

def build(folder):
    (folder / "half").write_text("1")
    print("begun", flush=True)
    time.sleep(60)

Store(Path(sys.argv[1])).run("stage", 1, {"a": 1}, {}, build)
"""


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path)


class Build:
    """Writes how often it was called."""

    def __init__(self):
        self.calls = 0

    def __call__(self, folder):
        self.calls += 1
        write_json(folder / "figures.json", {"calls": self.calls})


def outputs_in(store):
    folder = store.root / "stages"
    return [path for path in folder.rglob("*") if path.is_file()] if folder.is_dir() else []


def test_nothing_changed_builds_nothing(store):
    build = Build()
    first = store.run("stage", 1, {"a": 1, "b": 2}, {"x": "d"}, build)
    second = store.run("stage", 1, {"b": 2, "a": 1}, {"x": "d"}, build)
    assert build.calls == 1
    assert first == second
    assert second.figures() == {"calls": 1}


@pytest.mark.parametrize(
    "changed", [{"stage": "other"}, {"version": 2}, {"settings": {"a": 2}}, {"inputs": {"x": "e"}}, {"inputs": {}}]
)
def test_whatever_shaped_it_makes_another_output(store, changed):
    build, recipe = Build(), {"stage": "stage", "version": 1, "settings": {"a": 1}, "inputs": {"x": "d"}}
    first = store.run(**recipe, build=build)
    second = store.run(**recipe | changed, build=build)
    assert build.calls == 2
    assert first.path != second.path
    assert first.figures() == {"calls": 1}


def test_an_output_has_its_recipe(store):
    output = store.run("stage", 3, {"a": 1}, {"x": "d"}, Build())
    recorded = read_json(output.path / "stage.json")
    assert recorded.pop("seconds") >= 0
    assert recorded == {"stage": "stage", "version": 3, "settings": {"a": 1}, "inputs": {"x": "d"}}


def test_a_build_that_fails_leaves_nothing_and_is_done_again(store):
    def fails(folder):
        write_text(folder / "half", "1")
        raise RuntimeError("struck")

    with pytest.raises(RuntimeError, match="struck"):
        store.run("stage", 1, {}, {}, fails)
    assert outputs_in(store) == []
    build = Build()
    output = store.run("stage", 1, {}, {}, build)
    assert build.calls == 1
    assert not (output.path / "half").exists()


def test_a_build_killed_midway_is_no_output(store):
    command = [sys.executable, "-c", KILLED_MIDWAY, str(store.root)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "begun\n"
        process.send_signal(signal.SIGKILL)
    build = Build()
    output = store.run("stage", 1, {"a": 1}, {}, build)
    assert build.calls == 1
    assert not (output.path / "half").exists()


def test_a_digest_identifies_an_output(store):
    output = store.run("stage", 1, {}, {}, Build())
    assert store.find("stage", output.digest) == output
    with pytest.raises(FileNotFoundError, match=r"other/ffff is not in the store at .*; run the stage again"):
        store.find("other", "ffff")


def test_an_output_without_figures_has_none(store):
    assert store.run("stage", 1, {}, {}, lambda folder: None).figures() == {}


def test_scratch_is_the_same_for_the_same_recipe_only(store):
    first = store.scratch("train", {"a": 1}, {"b": "2"})
    write_text(first / "checkpoint", "1")
    assert store.scratch("train", {"a": 1}, {"b": "2"}) == first
    assert (first / "checkpoint").read_text() == "1"
    assert store.scratch("train", {"a": 1}, {"b": "3"}) != first
    assert outputs_in(store) == []
