import signal
import subprocess
import sys

import pytest

from pipeline.core.errors import StageOutputRejected
from pipeline.storage.files import digest_of, read_json, write_json, write_text
from pipeline.storage.stage_outputs import Store, changing_files, list_files
from tests.until import until

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


def test_what_a_new_output_does_not_cure_makes_no_third(store):
    """An image that a busy machine does not decode in time, say."""
    build, troubles = Build(), ["a.jpg", "b.jpg"]
    runs = [store.run("stage", 1, {}, {}, build, lambda _: troubles) for _ in range(4)]
    assert [each.figures()["calls"] for each in runs] == [1, 2, 2, 2]
    troubles.append("c.jpg")
    assert [store.run("stage", 1, {}, {}, build, lambda _: troubles).figures()["calls"] for _ in range(2)] == [3, 3]


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


RECIPE_OF = {"stage": "stage", "version": 1, "settings": {}, "inputs": {}}


def spoil(output, how):
    match how:
        case "changed":
            write_json(output.path / "figures.json", {"calls": 9})
        case "added":
            write_text(output.path / "weights.h5", "planted")
        case "removed":
            (output.path / "figures.json").unlink()
        case "linked":
            (output.path / "figures.json").rename(output.path.parent / "figures.json")
            (output.path / "figures.json").symlink_to(output.path.parent / "figures.json")
        case "unlisted":
            (output.path / "SHA256SUMS").unlink()
        case "another's":
            recipe = read_json(output.path / "stage.json")
            write_json(output.path / "stage.json", recipe | {"settings": {"a": 2}})
            list_files(output.path)


@pytest.mark.parametrize("how", ["changed", "added", "removed", "linked", "unlisted", "another's"])
def test_an_output_is_used_only_with_the_files_that_its_stage_wrote(store, how):
    build = Build()
    output = store.run("stage", 1, {}, {}, build)
    spoil(output, how)
    for use in (
        lambda: Store(store.root).run("stage", 1, {}, {}, build),
        lambda: Store(store.root).find("stage", output.digest),
    ):
        with pytest.raises(StageOutputRejected, match=rf"stage output {output.path} .* run the stage again"):
            use()
    assert build.calls == 1


@pytest.mark.parametrize("recipe", [None, RECIPE_OF, RECIPE_OF | {"settings": {"a": 2}}, "no recipe", []])
def test_a_planted_folder_is_not_adopted(store, recipe):
    store.run("other", 1, {}, {}, Build())
    planted = store.folder("stage", digest_of(RECIPE_OF))
    write_text(planted / "weights.h5", "planted")
    if recipe is not None:
        write_json(planted / "stage.json", recipe)
    with pytest.raises(StageOutputRejected, match="was not written by its stage"):
        store.run("stage", 1, {}, {}, Build())


def test_a_folder_planted_in_a_new_store_is_not_adopted(store):
    write_text(store.folder("stage", digest_of(RECIPE_OF)) / "weights.h5", "planted")
    with pytest.raises(StageOutputRejected):
        store.run("stage", 1, {}, {}, Build())


def test_a_folder_planted_while_the_stage_runs_is_not_adopted(store):
    def build(scratch):
        write_text(store.folder("stage", digest_of(RECIPE_OF)) / "weights.h5", "planted")

    with pytest.raises(StageOutputRejected):
        store.run("stage", 1, {}, {}, build)


def test_outputs_of_an_earlier_version_are_taken_over_once(store, caplog):
    old = [store.run("stage", 1, {"a": a}, {}, Build()) for a in (1, 2)]
    for each in old:
        (each.path / "SHA256SUMS").unlink()
    (store.root / "outputs.json").unlink()
    build = Build()
    assert Store(store.root).run("stage", 1, {"a": 1}, {}, build) == old[0]
    assert Store(store.root).find("stage", old[1].digest) == old[1]
    assert "2 outputs of an earlier version" in caplog.text
    assert build.calls == 0
    (old[0].path / "SHA256SUMS").unlink()
    with pytest.raises(StageOutputRejected):
        Store(store.root).run("stage", 1, {"a": 1}, {}, build)


@pytest.mark.parametrize("stops", [0, 1, 2])
def test_an_output_that_was_changed_on_purpose_is_listed_anew(store, stops):
    """However often the change is stopped; meanwhile nobody uses it."""
    output = store.run("stage", 1, {}, {}, Build())
    for _ in range(stops):
        with pytest.raises(RuntimeError), changing_files(output.path):
            spoil(output, "changed")
            raise RuntimeError
        with pytest.raises(StageOutputRejected):
            Store(store.root).find("stage", output.digest)
    with changing_files(output.path):
        spoil(output, "changed")
    assert Store(store.root).find("stage", output.digest).figures() == {"calls": 9}
    assert sorted(path.name for path in output.path.iterdir()) == ["SHA256SUMS", "figures.json", "stage.json"]


@pytest.mark.parametrize("is_stopped", [False, True])
def test_20_3_what_others_add_during_a_change_is_not_listed(store, is_stopped):
    output = store.run("stage", 1, {}, {}, Build())
    if is_stopped:
        with pytest.raises(RuntimeError), changing_files(output.path):
            raise RuntimeError
        spoil(output, "added")
    with changing_files(output.path):
        if not is_stopped:
            spoil(output, "added")
    with pytest.raises(StageOutputRejected, match="has files that its stage did not write so"):
        Store(store.root).find("stage", output.digest)


def test_a_change_that_an_earlier_version_was_stopped_in_goes_on(store):
    output = store.run("stage", 1, {}, {}, Build())
    (output.path / ".SHA256SUMS.changing").write_text("")  # beside the list, or after it went
    with changing_files(output.path):
        spoil(output, "changed")
    assert Store(store.root).find("stage", output.digest).figures() == {"calls": 9}


@pytest.mark.parametrize("how", ["changed", "added", "removed", "linked", "unlisted"])
def test_20_3_a_change_on_purpose_lists_nothing_that_others_put_there(store, how):
    output = store.run("stage", 1, {}, {}, Build())
    spoil(output, how)
    with changing_files(output.path):
        pass
    with pytest.raises(StageOutputRejected):
        Store(store.root).find("stage", output.digest)


RESUMING = """
import os, sys, time
from pathlib import Path
from pipeline.storage.stage_outputs import Store
store, name, root = Store(Path(sys.argv[1])), sys.argv[2], Path(sys.argv[1])
with store.resuming("train", {"a": 1}, {}) as folder:
    assert not (folder / "taken").exists(), "two at once"
    (folder / "taken").write_text(name)
    (root / name).touch()
    while not (root / f"go-{name}").exists():
        time.sleep(0.02)
    (folder / "taken").unlink()
    output = store.run("train", 1, {}, {}, lambda made: (made / "by").write_text(name))
    print((output.path / "by").read_text())
"""


def resuming(root, name):
    command = [sys.executable, "-c", RESUMING, str(root), name]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("killed", [False, True])
def test_a_second_training_of_one_setting_waits_for_the_first(tmp_path, killed):
    """It then has the first one's output; a killed one leaves its checkpoints to the next."""
    first = resuming(tmp_path, "first")
    until((tmp_path / "first").exists, 60, "the first did not begin", process=first)
    second = resuming(tmp_path, "second")
    (tmp_path / "go-second").touch()
    assert "another process is at work in" in second.stderr.readline()
    assert not (tmp_path / "second").exists()
    if killed:
        [taken] = tmp_path.glob("unfinished/train/*/taken")
        taken.unlink()
        first.kill()
    else:
        (tmp_path / "go-first").touch()
    first.communicate(timeout=60)
    said, errors = second.communicate(timeout=60)
    assert said.strip() == ("second" if killed else "first"), errors
    assert not list((tmp_path / "unfinished" / "train").iterdir())


def test_scratch_is_the_same_for_the_same_recipe_only(store):
    first = store.scratch("train", {"a": 1}, {"b": "2"})
    write_text(first / "checkpoint", "1")
    assert store.scratch("train", {"a": 1}, {"b": "2"}) == first
    assert (first / "checkpoint").read_text() == "1"
    assert store.scratch("train", {"a": 1}, {"b": "3"}) != first
    assert outputs_in(store) == []
