from statistics import NormalDist

import numpy as np
import pytest

from pipeline.core.settings import GateSettings
from pipeline.release.gate.superiority import confidence_of, resamples_for

SETTINGS = GateSettings()


@pytest.fixture(scope="module")
def scores():
    """Standardised differences of 50 attempts from each of 20,000 champions, all equally good: they share its luck."""
    drawn = np.random.default_rng(24)
    return (drawn.normal(size=(20_000, 50)) - drawn.normal(size=(20_000, 1))) / 2**0.5


def replaced(scores, confidences):
    return (scores > [NormalDist().inv_cdf(each) for each in confidences]).any(axis=1).mean()


def test_fifty_attempts_of_equals_replace_one_champion_in_twenty_at_most(scores):
    assert replaced(scores, [SETTINGS.confidence] * 50) > 0.4  # each as if it were alone
    together = [confidence_of(SETTINGS, attempt) for attempt in range(1, 51)]
    assert 0.03 < replaced(scores, together) < 0.05
    assert replaced(scores[:, :10], together[:10]) < 0.05


@pytest.mark.parametrize("deviation", [31, 39])  # of an image's difference, in points; see docs/gate.md
def test_a_first_attempt_that_is_three_points_better_loses_at_most_ten_of_power(deviation):
    error, normal = deviation / 1000**0.5, NormalDist()
    powers = [1 - normal.cdf(normal.inv_cdf(each) - 3 / error) for each in (0.95, confidence_of(SETTINGS, 1))]
    assert powers[1] > powers[0] - 0.105


def test_attempts_need_more_and_more_and_resamples_that_can_show_it():
    confidences = [confidence_of(SETTINGS, attempt) for attempt in (1, 2, 10, 50)]
    assert confidences == sorted(confidences)
    assert confidences[0] == pytest.approx(0.975)
    assert [resamples_for(SETTINGS, each) for each in confidences] == sorted(
        resamples_for(SETTINGS, each) for each in confidences
    )
    assert all(resamples_for(SETTINGS, each) * (1 - each) > 9 for each in confidences)
    assert confidence_of(GateSettings(confidence=0.8), 1) == pytest.approx(0.9)
