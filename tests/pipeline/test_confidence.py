import json

import numpy as np
import pytest

from pipeline.confidence import EVIDENCE, REACH, Confidence, Estimate, evidence
from pipeline.errors import BundleRejected
from pipeline.files import read_json, write_json

N = len(EVIDENCE)


@pytest.fixture
def confidence():
    weights = np.linspace(-1.0, 1.0, N)
    return Confidence(Estimate(np.arange(N, dtype=float), np.arange(1.0, N + 1), weights, 0.25), 0.125)


def test_evidence_is_of_words_and_features_as_named():
    features = np.zeros((2, 4, 3), np.float16)
    features[1, 0] = [1, 2, 3]
    likely = np.array([[-1.0, -3.0, 0.0], [-2.0, -2.0, -5.0]], np.float32)
    entropy = np.array([[0.5, 2.0, 0.0], [1.0, 4.0, 3.0]], np.float32)
    found = dict(zip(EVIDENCE, evidence(features, likely, entropy).T.tolist(), strict=True))
    assert found["score"] == pytest.approx([-2, -3])
    assert found["hardest_choice"] == pytest.approx([2, 4])
    assert found["words"] == [2, 3]
    assert found["level"] == pytest.approx([0, 0.5])
    assert found["zeros"] == pytest.approx([1, 0.75])
    spread = np.mean([np.std([value, 0, 0, 0]) for value in (1, 2, 3)])
    assert found["spread"] == pytest.approx([0, spread])


def test_a_caption_of_nothing_has_evidence_too():
    assert np.isfinite(evidence(np.zeros((1, 2, 2)), np.zeros((1, 3)), np.zeros((1, 3)))).all()


def test_the_estimate_grows_with_what_weighs_for_it_and_is_above_0(confidence):
    centre = np.tile(confidence.estimate.means, (3, 1))
    assert confidence.estimate(centre) == pytest.approx(np.exp(0.25))
    centre[:, -1] += [-N, 0, N]  # one deviation
    assert confidence.estimate(centre) == pytest.approx(np.exp([-0.75, 0.25, 1.25]))


def test_what_was_never_seen_moves_the_estimate_no_further(confidence):
    far = np.tile(confidence.estimate.means, (2, 1))
    far[:, -1] += [N * REACH, 1e9]
    assert confidence.estimate(far) == pytest.approx(np.exp(0.25 + REACH))


def test_read_it_is_what_was_written(confidence, tmp_path):
    confidence.write(tmp_path / "confidence.json")
    again = Confidence.read(tmp_path / "confidence.json")
    assert again.withhold_below == 0.125
    inputs = np.random.default_rng(1).normal(size=(20, N))
    assert np.array_equal(again.estimate(inputs), confidence.estimate(inputs))


@pytest.mark.parametrize(
    "change",
    [
        {"format": 2},
        {"evidence": ["score"]},
        {"weights": [1.0]},
        {"deviations": [0.0] * N},
        {"means": "none"},
        {"bias": None},
        {"withhold_below": "low"},
    ],
)
def test_what_is_not_understood_is_refused_with_the_file_s_name(confidence, tmp_path, change):
    path = tmp_path / "confidence.json"
    confidence.write(path)
    write_json(path, read_json(path) | change)
    with pytest.raises(BundleRejected, match=r"confidence\.json is not understood by this version"):
        Confidence.read(path)


@pytest.mark.parametrize("text", ["[]", "{", json.dumps({"format": 1})])
def test_other_files_are_refused(tmp_path, text):
    path = tmp_path / "confidence.json"
    path.write_text(text)
    with pytest.raises(BundleRejected):
        Confidence.read(path)
