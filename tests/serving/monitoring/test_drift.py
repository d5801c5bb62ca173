"""How much of a drift chance explains."""

import numpy as np
import pytest

from pipeline.metrics.divergence import jensen_shannon
from pipeline.model.reference_profile import Distribution, count
from serving.monitoring.drift import chance, drifts_of
from serving.runs.settings import NightSettings


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
        over += int((jensen_shannon(reference.counts, counts) > limit).sum())
    assert over <= 1


def test_chance_falls_with_the_images():
    counts = Distribution.of(np.random.default_rng(1).normal(size=500)).counts
    found = [chance(counts, images) for images in (5, 30, 300, 3000)]
    assert sorted(found, reverse=True) == found
    assert found[-1] < 0.02


def test_a_night_from_elsewhere_exceeds_limit_and_one_like_it_is_not():
    random = np.random.default_rng(2)
    known = {"strangeness": Distribution.of(random.normal(size=300)), "words": Distribution.of(random.poisson(9, 300))}
    night = {
        "strangeness": count(known["strangeness"].edges, random.normal(4, 1, size=30)),
        "words": count(known["words"].edges, random.poisson(9, 30)),
    }
    found = drifts_of(known, night, NightSettings())
    assert {name: drift.exceeds_limit for name, drift in found.items()} == {"strangeness": True, "words": False}
    assert all(
        0 <= drift.divergence <= 1 and sum(drift.night) == pytest.approx(1, abs=1e-4) for drift in found.values()
    )


def test_a_sign_that_a_night_lacks_has_no_drift():
    known = {"level": Distribution.of(np.arange(20.0))}
    assert drifts_of(known, {}, NightSettings()) == {}
    assert drifts_of(known, {"level": np.zeros_like(known["level"].counts)}, NightSettings()) == {}
