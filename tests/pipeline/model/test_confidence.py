import json

import numpy as np
import pytest

from pipeline.core.errors import BundleRejected
from pipeline.model.confidence import EVIDENCE, REACH, Confidence, Estimate, PooledEmbeddings, evidence
from pipeline.storage.files import read_json, write_json

N = len(EVIDENCE)


@pytest.fixture
def confidence():
    weights = np.linspace(-1.0, 1.0, N)
    pooled_embeddings = PooledEmbeddings.of(np.random.default_rng(2).gamma(1.0, size=(40, 3)), 2)
    return Confidence(
        pooled_embeddings, Estimate(np.arange(N, dtype=float), np.arange(1.0, N + 1), weights, 0.25), 0.125
    )


@pytest.fixture
def pooled_embeddings():
    """Of images whose features lie between two channels of three."""
    share = np.linspace(0.2, 0.8, 50)
    return PooledEmbeddings.of(np.column_stack([share, 1 - share, np.zeros(50)]), 1)


def test_pooled_embeddings_know_the_direction_in_which_training_images_differ(pooled_embeddings):
    assert np.abs(pooled_embeddings.directions) == pytest.approx(np.array([[0.7071, 0.7071, 0]]), abs=0.01)
    usual, ends, new = np.array([[5.0, 5, 0]]), np.array([[1.0, 0, 0]]), np.array([[1.0, 1, 1]])
    (strangeness, residue) = zip(*(pooled_embeddings.distances(rows) for rows in (usual, ends, new)), strict=True)
    assert strangeness[0] < strangeness[1]
    assert residue[0] < residue[2] > residue[1]


def test_pooled_embeddings_do_not_depend_on_how_strong_features_are(pooled_embeddings):
    rows = np.array([[1.0, 2, 3]])
    assert pooled_embeddings.distances(rows)[0] == pytest.approx(pooled_embeddings.distances(100 * rows)[0], abs=0.01)


def test_few_images_have_few_directions():
    random = np.random.default_rng(0)
    assert PooledEmbeddings.of(random.gamma(1.0, size=(9, 5)), 32).directions.shape == (2, 5)
    assert PooledEmbeddings.of(random.gamma(1.0, size=(2, 5)), 32).directions.shape == (1, 5)


def test_evidence_is_of_words_and_features_as_named(pooled_embeddings):
    features = np.zeros((2, 4, 3), np.float16)
    features[1, 0] = [1, 2, 3]
    log_probabilities = np.array([[-1.0, -3.0, 0.0], [-2.0, -2.0, -5.0]], np.float32)
    entropy = np.array([[0.5, 2.0, 0.0], [1.0, 4.0, 3.0]], np.float32)
    actual = dict(
        zip(EVIDENCE, evidence(features, log_probabilities, entropy, pooled_embeddings).T.tolist(), strict=True)
    )
    assert actual["score"] == pytest.approx([-2, -3])
    assert actual["hardest_choice"] == pytest.approx([2, 4])
    assert actual["words"] == [2, 3]
    assert actual["level"] == pytest.approx(np.log([1e-3, 0.5]))
    assert actual["zeros"] == pytest.approx([1, 0.75])
    spread = np.mean([np.std([value, 0, 0, 0]) for value in (1, 2, 3)])
    assert actual["spread"] == pytest.approx(np.log([1e-3, spread + 1e-3]))
    along, off = pooled_embeddings.distances(features.mean(axis=1, dtype=float))
    assert (actual["strangeness"], actual["residue"]) == (pytest.approx(list(along)), pytest.approx(list(off)))


def test_a_caption_of_nothing_has_evidence_too(pooled_embeddings):
    assert np.isfinite(evidence(np.zeros((1, 2, 3)), np.zeros((1, 4)), np.zeros((1, 4)), pooled_embeddings)).all()


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
    means = inputs[:, :3]
    assert np.array_equal(again.pooled_embeddings.distances(means), confidence.pooled_embeddings.distances(means))


@pytest.mark.parametrize(
    "change",
    [
        {"format": 2},
        {"evidence": ["score"]},
        {"estimate": {"weights": [1.0]}},
        {"estimate": {"deviations": [0.0] * N}},
        {"estimate": {"means": "none"}},
        {"estimate": {"bias": None}},
        {"gists": {"centre": [0.0]}},
        {"gists": {"deviations": [1.0]}},
        {"gists": {"deviations": [1.0, -1.0]}},
        {"gists": {"more": 1}},
        {"withhold_below": "low"},
    ],
)
def test_what_is_not_understood_is_refused_with_the_file_s_name(confidence, tmp_path, change):
    path = tmp_path / "confidence.json"
    confidence.write(path)
    values = read_json(path)
    for name, value in change.items():
        values[name] = values[name] | value if isinstance(value, dict) else value
    write_json(path, values)
    with pytest.raises(BundleRejected, match=r"confidence\.json is not understood by this version"):
        Confidence.read(path)


@pytest.mark.parametrize("text", ["[]", "{", "9", json.dumps({"format": 1})])
def test_other_files_are_refused(tmp_path, text):
    path = tmp_path / "confidence.json"
    path.write_text(text)
    with pytest.raises(BundleRejected):
        Confidence.read(path)
