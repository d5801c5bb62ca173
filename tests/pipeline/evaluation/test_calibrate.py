import json

import numpy as np
import pytest

from pipeline.evaluation.calibrate import FITTED_KINDS, calibrate
from pipeline.evaluation.corruptions import KINDS
from pipeline.evaluation.inference import (
    Predictor,
    cider_d_of,
    confidences,
    load_confidence,
    predict_clean,
    predict_degraded,
    sample,
)
from pipeline.evaluation.risk_coverage import risk_coverage
from pipeline.evaluation.robustness import robustness
from pipeline.metrics.scores import score_captions
from pipeline.model.confidence import Confidence
from pipeline.training.features import FeatureStore


@pytest.fixture(scope="module")
def predictor(tiny_run):
    return Predictor(tiny_run, load_confidence(tiny_run).pooled_embeddings)


@pytest.fixture(scope="module")
def tables(tiny_run):
    found = tiny_run.scores()
    return found["robustness"], found["risk_coverage"]


def limited(run, images):
    evaluation = run.settings.evaluation.model_copy(update={"images": images})
    return type(run)(run.settings.model_copy(update={"evaluation": evaluation}), run.home, run.done)


def test_the_stage_leaves_a_threshold_below_which_a_tenth_of_clean_images_lies(tiny_run):
    output = tiny_run.output("calibrate")
    confidence, figures = load_confidence(tiny_run), output.figures()
    assert isinstance(confidence, Confidence)
    assert confidence.withhold_below == figures["withhold_below"] > 0
    assert 1 / 12 <= figures["withheld"]["clean"] <= 2 / 12  # of 12 images
    assert set(figures["withheld"]) == {"clean", *FITTED_KINDS}
    assert (output.path / "confidence.json").stat().st_size < 100_000


def test_calibrated_already_nothing_is_done(tiny_run):
    path = tiny_run.output("calibrate").path / "confidence.json"
    before = path.stat().st_mtime_ns
    assert calibrate(tiny_run).path == path.parent
    assert path.stat().st_mtime_ns == before


def test_of_many_images_those_with_the_lowest_digests_are_degraded(tiny_run):
    every = sorted(tiny_run.accepted.images_of("test")["sha256"])
    assert list(sample(tiny_run, "test")["sha256"]) == every
    assert list(sample(limited(tiny_run, 5), "test")["sha256"]) == every[:5]


def test_a_caption_read_again_has_the_evidence_it_was_written_with(tiny_run, predictor):
    images = tiny_run.accepted.images_of("test")
    told = predict_clean(tiny_run, predictor, images)
    lines = read_json_lines(tiny_run.output("evaluate").path / "captions.jsonl")
    assert told.captions == [line["caption"] for line in lines]
    assert told.evidence[:, 0] == pytest.approx([line["score"] for line in lines], abs=1e-4)
    features = FeatureStore.of(tiny_run).gather(list(images["sha256"]))
    assert predictor.evidence_for(features, told.captions) == pytest.approx(told.evidence, abs=1e-4)
    captions = dict(zip(images["image"], told.captions, strict=True))
    estimates = load_confidence(tiny_run).estimate(told.evidence)
    assert confidences(tiny_run, "test", captions) == pytest.approx(list(estimates), rel=1e-3)


def test_the_same_images_stand_in_every_row_and_only_their_pixels_differ(tiny_run, predictor):
    images = sample(tiny_run, "val")
    clean = predict_clean(tiny_run, predictor, images)
    found = predict_degraded(tiny_run, predictor, images, ["blank", "blur"])
    assert {kind: len(told.captions) for kind, told in found.items()} == {"blank": 12, "blur": 12}
    assert not np.allclose(found["blur"].evidence, clean.evidence)
    assert len({tuple(row) for row in found["blank"].evidence.round(4)}) <= 12
    again = predict_degraded(tiny_run, predictor, images.iloc[:3], ["blur"])["blur"]
    assert again.captions == found["blur"].captions[:3]
    assert again.evidence == pytest.approx(found["blur"].evidence[:3], rel=1e-3, abs=1e-3)


def test_cider_d_of_some_is_what_they_score_among_all(tiny_run):
    references = tiny_run.accepted.references("test")
    captions = {image: texts[0] for image, texts in references.items()}
    every = score_captions(references, captions, meteor=False).per_image
    some = list(references)[3:6]
    found = cider_d_of(references, some, [captions[image] for image in some])
    assert found == pytest.approx([every[image]["cider_d"] for image in some])


def test_the_robustness_table_has_a_row_for_each_kind(tables, tiny_run):
    table, _ = tables
    assert list(table["kinds"]) == sorted(["clean", *KINDS])
    assert table["images"] == len(tiny_run.accepted.images_of("test"))
    assert table["withhold_below"] == load_confidence(tiny_run).withhold_below
    assert all(0 <= row["withheld"] <= 1 for row in table["kinds"].values())
    assert [kind for kind, row in table["kinds"].items() if row["cider_d"] is None] == ["blank"]
    assert table["kinds"]["clean"]["cider_d"] == pytest.approx(tiny_run.scores()["scores"]["cider_d"])


def test_fewer_images_can_be_degraded(tiny_run):
    table = robustness(limited(tiny_run, 2))
    assert table["images"] == 2


def test_the_curve_is_of_the_confidences_and_scores_of_the_test_split(tables, tiny_run):
    lines = read_json_lines(tiny_run.output("evaluate").path / "captions.jsonl")
    captions = {line["image"]: line["caption"] for line in lines}
    references = tiny_run.accepted.references("test")
    scores = cider_d_of(references, list(captions), list(captions.values()))
    expected = risk_coverage(confidences(tiny_run, "test", captions), list(scores))
    assert tables[1].keys() == expected.keys()
    assert all(tables[1][key] == pytest.approx(value) for key, value in expected.items())


def read_json_lines(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
