"""`nightcap train`, as a process of its own in an empty home."""

import json

from tests.conftest import LENIENT_GATE

STAGES = (
    "snapshot validate adapt_vocabulary provide_encoder extract_features "
    "train refine calibrate evaluate register gate promote"
)
SETTINGS = (
    "source.scene_count=120",
    "validation.min_images=5",
    "encoder.epochs=1",
    "encoder.shards=1",
    "decoder.units=32",
    "decoder.embedding=16",
    "training.epochs=1",
    *(f"gate.{name}={value}" for name, value in LENIENT_GATE.items()),
)


def test_it_prints_the_model_and_tells_its_stages_without_noise(start, tmp_path):
    options = [option for setting in SETTINGS for option in ("--set", setting)]
    done = start("train", *options, NIGHTCAP_HOME=str(tmp_path))
    assert (done.code, done.out) == (0, "models:/captioner/1\n")
    told = done.err.splitlines()
    expected = [f"✓ {stage}" for stage in STAGES.replace("extract_features", "extract_shard extract_features").split()]
    expected[expected.index("✓ extract_shard")] += " 1 of 1"
    assert told[: len(expected)] == expected
    scores, samples, verdict, version = told[len(expected) :]
    assert scores.startswith("test split: ")
    assert "cider_d" in scores
    assert samples.endswith("samples/index.html")
    assert verdict.startswith("verdict: ")
    assert verdict.endswith("index.html")
    assert version.startswith("captioner version 1, promoted: there is no champion yet; CIDEr-D ")


def test_the_same_settings_again_do_nothing(run, trained, tiny_run, monkeypatch):
    monkeypatch.setenv("NIGHTCAP_STORE", str(trained.store))
    options = [
        option
        for group, values in tiny_run.settings.model_dump(mode="json").items()
        for name, value in values.items()
        for option in ("--set", f"{group}.{name}={json.dumps(value)}")
    ]
    stages = tiny_run.home.store / "stages"
    before = sorted(stages.glob("*/*"))
    done = run("train", *options)
    assert (done.code, done.out) == (0, "models:/captioner/1\n")
    assert done.err.endswith("captioner version 1, not promoted: it already is the champion\n")
    assert sorted(stages.glob("*/*")) == before
