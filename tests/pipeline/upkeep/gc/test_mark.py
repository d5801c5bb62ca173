import os
import time

import pytest

from nightcap.cli import main
from pipeline.registry.promotions import Promotions
from pipeline.registry.versions import DIGEST_TAG
from pipeline.storage.stage_outputs import Store
from tests.pipeline.registry.light_registry import NAME
from tests.pipeline.upkeep.gc.trainings import DEAD, files, rerun, trainings, unwanted

STAGES = ("snapshot", "validate", "encoder", "extract_features", "train", "bundle", "gate")


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


def test_beside_the_wrong_registry_nothing_goes(home, monkeypatch, capsys):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{home.root / 'other.db'}")
    before = files(home.store)
    with pytest.raises(SystemExit) as ended:
        main(["gc", "--runs", "0", "--yes"])
    assert ended.value.code == 2
    assert "set MLFLOW_TRACKING_URI" in " ".join(capsys.readouterr().err.split())
    assert files(home.store) == before
