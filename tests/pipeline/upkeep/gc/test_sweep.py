"""`nightcap gc`: garbage goes, active processes are left alone, and a stopped removal leaves nothing half."""

import os
import shutil
import subprocess
import sys
import time

import numpy as np
import pytest

from pipeline.registry.promotions import Promotions
from pipeline.registry.versions import DIGEST_TAG
from pipeline.storage.files import read_json, sha256, write_json, write_text
from pipeline.storage.stage_outputs import Store
from pipeline.storage.trash import TRASH
from pipeline.training.features import USE, FeatureStore, features_folder
from pipeline.upkeep.gc.mark import Reachable
from pipeline.upkeep.gc.sweep import collect, find_garbage
from tests.pipeline.registry.light_registry import NAME
from tests.pipeline.training.training_outputs import age
from tests.pipeline.upkeep.gc.trainings import DEAD, files, plan, trainings, unwanted

STAGES = ("snapshot", "validate", "encoder", "extract_features", "train", "bundle", "gate")


BUILDING = """
import sys, time
from pathlib import Path
from pipeline.storage.stage_outputs import Store

store = Store(Path(sys.argv[1]))
store.find("encoder", sys.argv[2])
def build(folder):
    print("begun", flush=True)
    sys.stdin.read()
store.run("train", 2, {}, {"validate": sys.argv[3]}, build)
"""


def test_a_training_at_work_is_left_alone(home, gc):
    digests = [unwanted(home, stage) for stage in ("encoder", "validate")]
    command = [sys.executable, "-c", BUILDING, str(home.store), *digests]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "begun\n"
        age(home.store)
        gc("--yes", "--keep-days", "0")
        assert trainings(home)["unwanted"] == {"snapshot", "validate", "encoder"}
        process.stdin.close()
        assert process.wait() == 0
    assert "train" in trainings(home)["unwanted"]
    age(home.store)
    gc("--yes")
    assert "unwanted" not in trainings(home)


def test_what_is_taken_up_after_it_was_marked_stays_with_what_it_was_made_from(home):
    reach = Reachable(home, (), 0, time.time() - 86_400)
    found, store = find_garbage(reach), Store(home.store)
    store.find("train", unwanted(home, "train"))
    collect(reach, found)
    assert trainings(home)["unwanted"] == {"snapshot", "validate", "encoder", "extract_features", "train"}


@pytest.mark.parametrize("after", [0, 2, 9, 20])
def test_struck_midway_everything_is_whole_or_gone(home, gc, monkeypatch, after):
    """A process that dies in the midst of renaming and removing; what is left is whole, and the next finishes."""
    script = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "import shutil\n"
        f"left = [{after}]\n"
        "def struck(do):\n"
        "    def call(*given, **named):\n"
        "        left[0] -= 1\n"
        "        if left[0] < 0: os._exit(9)\n"
        "        return do(*given, **named)\n"
        "    return call\n"
        "Path.rename = struck(Path.rename)\n"
        "os.unlink = struck(os.unlink)\n"
        "from nightcap.cli import main\n"
        "main(['gc', '--runs', '0', '--yes'])\n"
    )
    whole = {folder: files(folder) for folder in home.store.glob("stages/*/[0-9a-f]*")}
    ended = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True)
    assert ended.returncode == 9, ended.stderr
    for folder, content in whole.items():
        assert files(folder) in (content, set())
    for index in (home.store / "features").glob("*/*.json"):
        assert np.load(index.with_suffix(".npy")).shape[0] == len(read_json(index))
    age(home.root)
    gc("--yes")
    assert not list((home.store / TRASH).iterdir())
    stored = {kind: {path.stem for path in home.store.glob(f"features/*/*.{kind}")} for kind in ("npy", "json")}
    assert stored["npy"] == stored["json"]
    assert trainings(home).keys() == {"1", "2", "3", "4"}


def test_features_of_images_that_no_training_has_go(home, gc):
    facts = {"name": "scenes", "digest": "e" * 64}
    folder = features_folder(home.store, facts, "squash")
    other = features_folder(home.store, facts | {"digest": "d" * 64}, "squash")
    assert other.is_dir()
    gc("--yes")
    kept = FeatureStore(folder)
    assert [sha256(f"{name}.jpg".encode()) in kept for name in ("2", "3", "shared", "1", "4")] == [True] * 3 + [
        False
    ] * 2
    assert len(list(folder.glob("*.npy"))) == 3
    assert not other.exists()


def test_features_that_a_training_has_open_stay(home, gc):
    from pipeline.storage.locks import OutputLocks

    folder = features_folder(home.store, {"name": "scenes", "digest": "d" * 64}, "squash")
    (folder / USE).touch()
    held = OutputLocks()
    assert held.hold(folder / USE)
    age(home.root)
    gc("--yes")
    assert list(folder.glob("*.npy"))
    del held
    gc("--yes")
    assert not folder.exists()


def test_checkpoints_and_scratch_go_when_nobody_goes_on_from_them(home, gc):
    store = Store(home.store)
    begun = store.scratch("train", {"a": 1}, {"validate": unwanted(home, "validate")})
    old = Store(home.store).scratch("train", {"a": 2}, {})
    dead, rejected = home.store / "stages/train/.abc.x", home.store / "rejected/abc"
    for folder in (dead, rejected):
        write_text(folder / "half", "1")
    age(old), age(dead), age(rejected), age(home.store / "unfinished", 0)
    del store
    then = time.time() - 30 * 86_400
    for path in (old, old / "stage.json", dead, rejected):
        os.utime(path, (then, then))
    gc("--yes")
    assert begun.is_dir()
    assert not (old.exists() or dead.exists() or rejected.exists())
    assert trainings(home)["unwanted"] == {"snapshot", "validate"}


def test_cached_models_that_nothing_names_go(home, gc):
    digests = {each.version: each.tags[DIGEST_TAG] for each in Promotions(home).registry.versions(NAME)}
    write_json(home.store / "last_known/abc.json", {"pinned": {"digest": "a" * 64}})
    plan(home, "n1", digests["1"])
    names = [digests[each] for each in "123"] + [DEAD, "a" * 64]
    for digest in names:
        write_text(home.root / "cache/models" / digest / "weights", digest)
    age(home.root)
    gc("--yes")
    left = {path.name for path in (home.root / "cache/models").iterdir()}
    assert left == {*names} - {DEAD}
    assert trainings(home)["1"] == {*STAGES}, "an open night's model was trained again"


def test_after_it_a_real_training_is_run_again_from_what_is_there(tiny_run, tmp_path):
    from pipeline import training_pipeline as stages
    from pipeline.core.environment import Home
    from pipeline.training.features import extract_shard
    from pipeline.training.run import TrainingRun

    home = Home(tmp_path, tmp_path / "store", tiny_run.home.tracking_uri, journal=tiny_run.home.promotions)
    shutil.copytree(tiny_run.home.store, home.store)
    age(home.root)
    before = Reachable(home, (), 0, time.time() - 86_400)
    collect(before, find_garbage(before))  # what other tests trained there
    other = TrainingRun(tiny_run.settings, home, tiny_run.done)
    Store(home.store).run("train", 99, {}, other.inputs("validate"), lambda folder: None)
    FeatureStore(next((home.store / "features").iterdir())).add([DEAD], np.zeros((1, 2, 3)))
    del other
    age(home.root)
    reach = Reachable(home, (), 0, time.time() - 86_400)
    assert sorted(each.what for each in collect(reach, find_garbage(reach))) == ["features", "output of train"]
    left, run = files(home.store / "stages"), TrainingRun(tiny_run.settings, home)
    run = stages.run_until("provide_encoder", run)
    assert sum(extract_shard(run, shard)["extracted"] for shard in range(run.settings.encoder.shards)) == 0
    run = stages.run_until("evaluate", run)
    run, version = stages.register(run)
    assert run.done == tiny_run.done
    assert stages.gate(run, version["version"])["reason"] == "it already is the champion"
    assert files(home.store / "stages") == left
