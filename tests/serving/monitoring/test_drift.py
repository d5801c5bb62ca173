"""The Jensen-Shannon divergence, and how much of it chance explains."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pipeline.model.reference_profile import Distribution, count
from serving.monitoring.drift import chance, divergence, drifts_of
from serving.runs.settings import NightSettings

COUNTS = arrays(np.int64, 6, elements=st.integers(0, 10_000))


@given(COUNTS, COUNTS)
def test_it_lies_between_0_and_1_and_has_no_direction(first, second):
    assume(first.any() and second.any())
    found = divergence(first, second)
    assert 0 <= found <= 1
    assert found == pytest.approx(divergence(second, first), abs=1e-12)


@given(COUNTS, st.integers(1, 50))
def test_it_is_0_for_the_same_shares_of_any_size(counts, times):
    assume(counts.any())
    assert divergence(counts, counts * times) == pytest.approx(0, abs=1e-9)


@given(COUNTS, COUNTS)
def test_it_is_1_where_nothing_is_shared(first, second):
    assume(first.any() and second.any())
    nothing = np.zeros(6, np.int64)
    assert divergence(np.concatenate([first, nothing]), np.concatenate([nothing, second])) == pytest.approx(1)


@given(COUNTS, COUNTS, COUNTS)
def test_its_root_is_a_distance(first, second, third):
    assume(first.any() and second.any() and third.any())
    root = [divergence(*pair) ** 0.5 for pair in ((first, third), (first, second), (second, third))]
    assert root[0] <= root[1] + root[2] + 1e-9


@given(COUNTS, COUNTS)
def test_it_never_grows_when_bins_are_joined(first, second):
    assume(first.any() and second.any())
    joined = [counts.reshape(3, 2).sum(axis=1) for counts in (first, second)]
    assert divergence(*joined) <= divergence(first, second) + 1e-9


def test_a_known_value():
    assert divergence(np.array([1, 0]), np.array([1, 1])) == pytest.approx(0.311278, abs=1e-6)


@pytest.mark.parametrize("images", [20, 30, 300, 5000])
@pytest.mark.parametrize("known", [12, 300])
def test_chance_is_what_nights_like_the_reference_stay_below(images, known):
    """Whatever the sample that the reference was: of 600 pairs of samples hardly any is further apart."""
    random = np.random.default_rng([known, images])
    over = 0
    for _ in range(60):
        reference = Distribution.of(random.normal(size=known))
        nights = random.normal(size=(10, images))
        counts = np.array([count(reference.edges, night) for night in nights])
        limit = chance(reference.counts, images) + NightSettings().max_picture_drift
        over += int((divergence(reference.counts, counts) > limit).sum())
    assert over <= 1


def test_chance_falls_with_the_images():
    counts = Distribution.of(np.random.default_rng(1).normal(size=500)).counts
    found = [chance(counts, images) for images in (5, 30, 300, 3000)]
    assert sorted(found, reverse=True) == found
    assert found[-1] < 0.02


def test_a_night_from_elsewhere_is_over_and_one_like_it_is_not():
    random = np.random.default_rng(2)
    known = {"strangeness": Distribution.of(random.normal(size=300)), "words": Distribution.of(random.poisson(9, 300))}
    night = {
        "strangeness": count(known["strangeness"].edges, random.normal(4, 1, size=30)),
        "words": count(known["words"].edges, random.poisson(9, 30)),
    }
    found = drifts_of(known, night, NightSettings())
    assert {name: drift.is_over for name, drift in found.items()} == {"strangeness": True, "words": False}
    assert all(
        0 <= drift.divergence <= 1 and sum(drift.night) == pytest.approx(1, abs=1e-4) for drift in found.values()
    )


def test_a_sign_that_a_night_lacks_has_no_drift():
    known = {"level": Distribution.of(np.arange(20.0))}
    assert drifts_of(known, {}, NightSettings()) == {}
    assert drifts_of(known, {"level": np.zeros_like(known["level"].counts)}, NightSettings()) == {}
