"""`nightcap gc`: whatever is reached stays, the rest goes once it was asked for, and whoever works is left alone."""

import os
import shutil
import time

import numpy as np
import pytest

from nightcap.cli import main
from pipeline.core.errors import ModelNotFound
from pipeline.registry.lineage import SNAPSHOT_TAG
from pipeline.registry.promotions import Promotions
from pipeline.registry.versions import DIGEST_TAG
from pipeline.storage.files import sha256, write_json, write_text
from pipeline.storage.stage_outputs import Store
from pipeline.storage.trash import size_of, written_at
from pipeline.training.features import USE, FeatureStore, features_folder
from pipeline.upkeep.gc.mark import Reachable
from pipeline.upkeep.gc.sweep import collect, find_garbage
from pipeline.upkeep.gc.versions import old_versions, remove_files
from tests.nightcap.commands.gc.trainings import DEAD, files, plan, rerun, trainings, unwanted
from tests.pipeline.registry.light_registry import NAME, bundle_of
from tests.pipeline.training.training_outputs import age

STAGES = ("snapshot", "validate", "encoder", "extract_features", "train", "bundle", "gate")


def test_without_yes_nothing_goes(home, gc):
    before = files(home.root)
    said = gc()
    assert files(home.root) == before
    assert "would be removed" in said.err
    assert said.out.count("output of train") == 3


def test_champion_and_the_version_before_stay_whole_and_of_others_what_they_were_trained_on(home, gc):
    gc("--yes")
    assert trainings(home) == {
        "2": {*STAGES},
        "3": {*STAGES},
        "1": {"snapshot", "validate"},
        "4": {"snapshot", "validate"},
    }
    digests = {each.version: each.tags[DIGEST_TAG] for each in Promotions(home).registry.versions(NAME)}
    assert rerun(home, "3", digests["3"]) == set()
    assert {"train", "bundle"} <= rerun(home, "4", digests["4"])


def test_what_an_alias_names_stays(home, gc):
    Promotions(home).registry.set_alias(NAME, "mine", "4")
    gc("--yes")
    assert trainings(home)["4"] == {*STAGES}


def test_the_last_trainings_stay(home, gc):
    [last] = [
        folder for folder in (home.store / "stages/bundle").iterdir() if DEAD in (folder / "figures.json").read_text()
    ]
    month = time.time() - 20 * 86_400
    os.utime(last / "stage.json", (month, month))
    gc("--yes", "--runs", "1")
    assert trainings(home)["unwanted"] == {*STAGES}


def test_what_was_used_lately_stays_with_what_it_was_made_from(home, gc):
    Store(home.store).find("train", unwanted(home, "train"))
    gc("--yes")
    assert trainings(home)["unwanted"] == {"snapshot", "validate", "encoder", "extract_features", "train"}


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


def test_files_of_old_versions_go_only_when_asked_and_what_is_known_of_them_stays(home, gc):
    promotions = Promotions(home)
    digests = {each.version: each.tags[DIGEST_TAG] for each in promotions.registry.versions(NAME)}
    for version in "1234":
        assert bundle_of(home, int(version)).is_dir()
    plan(home, "n1", digests["1"])
    assert "files of" not in gc("--yes", "--keep-days", "0").out
    said = gc("--versions", "--keep-days", "0")
    assert said.out.count("files of captioner version 4") == 1 == said.out.count("files of")
    gc("--yes", "--versions", "--keep-days", "0")
    assert [bundle_of(home, int(version)).is_dir() for version in "1234"] == [True, True, True, False]
    with pytest.raises(ModelNotFound, match=r"the files of models:/captioner/4 were removed on \d{4}-"):
        promotions.registry.resolve(f"models:/{NAME}/4")
    assert promotions.registry.version(f"models:/{NAME}/4").tags[SNAPSHOT_TAG]
    assert promotions.registry.with_digest(NAME, digests["4"]) is None
    assert promotions.registry.with_digest(NAME, digests["1"]).version == "1"
    assert "files of" not in gc("--yes", "--versions", "--keep-days", "0").out


def test_a_version_that_is_chosen_after_it_was_listed_keeps_its_files(home):
    def reach(*pinned):
        return Reachable(home, pinned, 0, time.time())

    listed = old_versions(reach())
    assert [each.version.version for each in listed] == ["4", "1"]
    four, one = listed
    assert not remove_files(reach(one.version.tags[DIGEST_TAG]), one)
    Promotions(home).promote_by_hand(NAME, "4", "Ada", "it is better", anyway=True)
    assert not remove_files(reach(), four)
    assert Promotions(home).champion(NAME).version == "4"


def test_beside_the_wrong_registry_nothing_goes(home, monkeypatch, capsys):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{home.root / 'other.db'}")
    before = files(home.store)
    with pytest.raises(SystemExit) as ended:
        main(["gc", "--runs", "0", "--yes"])
    assert ended.value.code == 2
    assert "set MLFLOW_TRACKING_URI" in " ".join(capsys.readouterr().err.split())
    assert files(home.store) == before


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


def test_nights_that_ended_long_ago_go(home, gc):
    for night in ("done", "idle", "open", "young"):
        plan(home, night, DEAD, planned=int(night != "idle"))
    for night in ("done", "young"):
        write_json(home.store / "nights" / night / "r1" / "published.json", {})
    age(home.store / "nights", 100)
    age(home.store / "nights" / "young", 50)
    gc("--yes")
    assert {path.name for path in home.store.glob("nights/*")} == {"open", "young"}


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
