"""A version is promoted while a night is at work."""

from pipeline.registry.loading import pin
from pipeline.registry.versions import DIGEST_TAG, ENGINE_TAG, Registry
from serving.caption_shard import caption_shard
from serving.planning.plan import plan
from serving.publish import publish
from serving.reporting.report import report
from tests.registered_bundle import make_champion
from tests.serving.night_world import ColourCaptioner, settings_of

MODEL = "models:/captioner@champion"


def promote(home, version):
    """Register a version in a real registry, and let it be the champion."""
    import mlflow

    registry = Registry(home)
    client = mlflow.MlflowClient(home.tracking_uri)
    if version == "1":
        client.create_registered_model("captioner")
    client.create_model_version("captioner", (home.root / "model").as_uri())
    registry.tag("captioner", version, {DIGEST_TAG: version * 64, ENGINE_TAG: "numpy-float64"})
    make_champion(home, version)


def load(pinned):
    return ColourCaptioner(pinned.name, pinned.version, pinned.digest, pinned.engine)


def test_7_every_row_of_a_night_carries_the_version_that_it_was_planned_with(world):
    world.fill(6)
    promote(world.home, "1")
    settings = settings_of(model=MODEL, shard_size=2)
    planned = plan(settings, world.home, pin(world.home, MODEL), world.attempt())
    caption_shard(planned["plan"], 0, load)
    promote(world.home, "2")
    again = plan(settings, world.home, pin(world.home, MODEL), world.attempt())  # as when the task is cleared
    for shard in range(again["shards"]):
        caption_shard(again["plan"], shard, load)
    assert publish(again["plan"])["captioned"] == 6
    assert report(again["plan"]).model == pin(world.home, "models:/captioner/1")
    assert {(row["model_version"], row["engine"]) for row in world.rows()} == {("1", "numpy-float64")}
    world.fill(1, start=6)
    later = plan(settings, world.home, pin(world.home, MODEL), world.attempt("n2", "r2"))
    caption_shard(later["plan"], 0, load)
    publish(later["plan"])
    assert [row["model_version"] for row in world.rows()] == ["1"] * 6 + ["2"]
