"""How captions and images usually are, in a bundle."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pipeline.core.errors import BundleRejected
from pipeline.model.reference_profile import (
    DISTRIBUTIONS,
    Distribution,
    count,
    is_unlike,
    low_confidence,
    read_reference,
)
from pipeline.storage.files import write_json

NUMBERS = arrays(float, st.integers(1, 60), elements=st.floats(-1e6, 1e6))


@given(NUMBERS)
def test_every_number_is_counted_once_and_none_lies_beyond(values):
    made = Distribution.of(values)
    assert made.counts.sum() == len(values)
    assert (np.diff(made.edges) > 0).all()
    assert made.counts[0] == made.counts[-1] == 0
    assert len(made.counts) <= 12


@given(NUMBERS)
def test_what_is_written_is_read(values):
    made = Distribution.of(values)
    again = Distribution.parse(json.loads(json.dumps(made.to_json())))
    assert (again.edges == made.edges).all()
    assert (again.counts == made.counts).all()


def test_bins_of_a_large_sample_hold_a_tenth_each():
    made = Distribution.of(np.random.default_rng(1).normal(size=5000))
    assert len(made.counts) == 12
    assert made.counts[1:-1] == pytest.approx(500, abs=2)


def test_a_number_on_an_edge_counts_above_it():
    assert count(np.array([1.0, 2.0]), np.array([0, 1, 1.5, 2, 9])).tolist() == [1, 2, 2]


def test_an_older_bundle_has_no_distributions(tmp_path):
    write_json(tmp_path / "reference.json", {"images": 12})
    assert read_reference(tmp_path / "reference.json") == {}


@pytest.mark.parametrize(
    "item",
    [
        {},
        [],
        {"edges": [1, 2], "counts": [1, 2]},
        {"edges": [2, 1], "counts": [1, 2, 3]},
        {"edges": [1], "counts": [0, 0]},
        {"edges": [1], "counts": [3, -1]},
        {"edges": "x", "counts": [1]},
    ],
)
def test_what_is_no_distribution_is_refused(tmp_path, item):
    write_json(tmp_path / "reference.json", {DISTRIBUTIONS: {"words": item}})
    with pytest.raises(BundleRejected, match=r"reference\.json is not understood"):
        read_reference(tmp_path / "reference.json")


def test_quantiles_lie_between_edges():
    uniform = Distribution.of(np.linspace(0, 1, 1001))
    assert [uniform.quantile(share) for share in (0.1, 0.5, 0.9)] == pytest.approx([0.1, 0.5, 0.9], abs=0.01)


def test_an_image_is_unlike_when_a_number_of_it_lies_beyond_all_of_the_reference():
    reference = {"level": Distribution.of(np.linspace(0, 1, 100)), "words": Distribution.of(np.arange(3.0))}
    assert not is_unlike(reference, {"level": 0.5, "zeros": 99.0})
    assert not is_unlike(reference, {"level": 1.05}), "a tenth of the range around is allowed"
    assert is_unlike(reference, {"level": 1.2})
    assert is_unlike(reference, {"level": -0.2})
    assert not is_unlike(reference, {"words": 9.0}), "three images show no limits"
    assert not is_unlike({}, {"level": 9.0})


def test_of_images_like_those_of_a_large_reference_few_are_called_unlike():
    random = np.random.default_rng(0)
    shares = []
    for _ in range(50):
        reference = {"level": Distribution.of(random.normal(size=100))}
        shares.append(np.mean([is_unlike(reference, {"level": value}) for value in random.normal(size=200)]))
    assert np.mean(shares) < 0.01


def test_the_confidence_that_nine_in_ten_reach():
    assert low_confidence({"confidence": Distribution.of(np.linspace(0, 1, 1001))}) == pytest.approx(0.1, abs=0.01)
    assert low_confidence({}) is None
