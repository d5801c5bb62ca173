import pytest

from pipeline.evaluation.calibrate import FITTED_KINDS, calibrate
from pipeline.evaluation.inference import (
    cider_d_of,
    confidences,
    load_confidence,
)
from pipeline.evaluation.risk_coverage import risk_coverage
from pipeline.model.confidence import Confidence


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


def test_the_curve_is_of_the_confidences_and_scores_of_the_test_split(scores, lines, tiny_run):
    captions = {line["image"]: line["caption"] for line in lines}
    references = tiny_run.accepted.references("test")
    each = cider_d_of(references, list(captions), list(captions.values()))
    expected = risk_coverage(confidences(tiny_run, "test", captions), list(each))
    assert scores["risk_coverage"].keys() == expected.keys()
    assert all(scores["risk_coverage"][key] == pytest.approx(value) for key, value in expected.items())
