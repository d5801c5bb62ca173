import logging
import pkgutil
from dataclasses import replace

import pytest

from pipeline import training_pipeline as stages
from pipeline.registry.promotions import Promotions
from pipeline.storage.files import read_json
from pipeline.storage.stage_outputs import RECIPE, Store
from pipeline.training import run as training_run
from pipeline.training.features import extract_shard
from pipeline.training.run import TrainingRun

STAGES = [
    "snapshot",
    "validate",
    "adapt_vocabulary",
    "encoder",
    "extract_features",
    "train",
    "refine",
    "calibrate",
    "evaluate",
    "bundle",
]


def through(run, seen=lambda row: None):
    """All stages, one after the other, up to a registered version."""
    run = stages.run_until("provide_encoder", run)
    extracted = [extract_shard(run, shard)["extracted"] for shard in range(run.settings.encoder.shards)]
    run = stages.run_stage("extract_features", run)
    for name in ("train", "refine"):
        run = stages.run_stage(name, run, seen)
    for name in ("calibrate", "evaluate"):
        run = stages.run_stage(name, run)
    run, version = stages.register(run)
    return run, version, extracted


class Begun(Exception):
    """A stage has work to do."""


class HaltingStore(Store):
    """Builds nothing."""

    def run(self, stage, version, settings, inputs, build, outlived=None):
        def halt(folder):
            raise Begun(stage)

        return super().run(stage, version, settings, inputs, halt, outlived)


def files_in(folder):
    """When each file was written, but for those whose time is that of their output's last use."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path: path.name == RECIPE or path.stat().st_mtime_ns for path in files}


def test_every_stage_left_an_output_and_nothing_unfinished(tiny_run):
    assert list(tiny_run.done) == STAGES
    assert all(len(digest) == 64 for digest in tiny_run.done.values())
    for stage in STAGES:
        assert read_json(tiny_run.output(stage).path / "stage.json")["stage"] == stage
    assert list((tiny_run.home.store / "unfinished").rglob("*.npz")) == []
    assert not list((tiny_run.home.store / "stages").glob("*/.*"))


def test_what_training_took_counts_both_stages(tiny_run):
    actual = stages.effort(tiny_run)
    curves = [tiny_run.output(stage).figures()["curves"] for stage in ("train", "refine")]
    assert actual["epochs"] == sum(map(len, curves)) > 0
    assert actual["seconds"] == sum(row["seconds"] for rows in curves for row in rows) > 0
    assert actual["cider_d"] == tiny_run.scores()["scores"]["cider_d"]


def test_the_champion_is_what_was_trained(tiny_run):
    champion = Promotions(tiny_run.home).champion("captioner")
    assert champion.digest == tiny_run.output("bundle").figures()["bundle_digest"]
    assert tiny_run.scores()["images"] == 12


def test_a_second_run_does_no_work(tiny_run, caplog):
    before, seen = files_in(tiny_run.home.store / "stages"), []
    with caplog.at_level(logging.INFO):
        again, version, extracted = through(TrainingRun(tiny_run.settings, tiny_run.home), seen.append)
    assert again.done == tiny_run.done
    assert version["version"] == "1"
    assert extracted == [0, 0]
    assert seen == []
    assert files_in(tiny_run.home.store / "stages") == before
    kept = [record.getMessage() for record in caplog.records if "nothing changed, kept" in record.getMessage()]
    assert len(kept) == len(STAGES)


@pytest.mark.parametrize(
    ("group", "field", "value", "first"),
    [
        ("vocabulary", "vocabulary_size", 30, "adapt_vocabulary"),
        ("training", "seed", 9, "train"),
        ("training", "epochs", 2, "train"),
        ("decoder", "units", 40, "train"),
        ("self_critical", "samples", 3, "refine"),
        ("decoding", "beam_width", 2, "calibrate"),
        ("registry", "model_name", "other", "bundle"),
        ("registry", "experiment", "other", None),
        ("encoder", "batch_size", 8, None),
        ("encoder", "shards", 5, None),
    ],
)
def test_a_changed_setting_begins_at_the_stage_it_shapes(tiny_run, monkeypatch, group, field, value, first):
    changed = getattr(tiny_run.settings, group).model_copy(update={field: value})
    settings = tiny_run.settings.model_copy(update={group: changed})
    monkeypatch.setattr(training_run, "Store", HaltingStore)
    try:
        through(TrainingRun(settings, tiny_run.home))
    except Begun as begun:
        assert str(begun) == first
    else:
        assert first is None


def test_another_vocabulary_extracts_no_features_again(tiny_run):
    changed = tiny_run.settings.vocabulary.model_copy(update={"vocabulary_size": 30})
    run = replace(tiny_run, settings=tiny_run.settings.model_copy(update={"vocabulary": changed}))
    run = stages.run_stage("adapt_vocabulary", run)
    assert run.done["adapt_vocabulary"] != tiny_run.done["adapt_vocabulary"]
    assert [extract_shard(run, shard)["extracted"] for shard in range(2)] == [0, 0]
    assert stages.run_stage("extract_features", run).done["extract_features"] == tiny_run.done["extract_features"]


def test_a_stage_asked_for_too_early_says_which_is_missing(tiny_run):
    with pytest.raises(KeyError, match="validate"):
        stages.run_stage("adapt_vocabulary", TrainingRun(tiny_run.settings, tiny_run.home))


@pytest.mark.parametrize("stage", stages.TRAINING_STAGES, ids=lambda stage: stage.name)
def test_every_function_of_the_table_is_there(stage):
    assert all(callable(pkgutil.resolve_name(function)) for function in stage.functions)
