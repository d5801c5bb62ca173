"""`nightcap gc`: whatever is reached stays, the rest goes once it was asked for, and whoever works is left alone."""

from pipeline.storage.files import write_json
from tests.pipeline.training.training_outputs import age
from tests.pipeline.upkeep.gc.trainings import DEAD, files, plan


def test_without_yes_nothing_goes(home, gc):
    before = files(home.root)
    said = gc()
    assert files(home.root) == before
    assert "would be removed" in said.err
    assert said.out.count("output of train") == 3


def test_nights_that_ended_long_ago_go(home, gc):
    for night in ("done", "idle", "open", "young"):
        plan(home, night, DEAD, planned=int(night != "idle"))
    for night in ("done", "young"):
        write_json(home.store / "nights" / night / "r1" / "published.json", {})
    age(home.store / "nights", 100)
    age(home.store / "nights" / "young", 50)
    gc("--yes")
    assert {path.name for path in home.store.glob("nights/[!.]*")} == {"open", "young"}
