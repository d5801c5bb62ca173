import numpy as np
import pytest

from pipeline.evaluation.reliability import reliability


def test_estimates_that_are_right_have_slope_one_and_no_error():
    estimates = np.linspace(0.1, 2, 50)
    found = reliability(list(estimates), list(estimates))
    assert (found["slope"], found["intercept"], found["error"]) == pytest.approx((1, 0, 0), abs=1e-12)
    assert [part["images"] for part in found["fifths"]] == [10] * 5


def test_estimates_that_exaggerate_have_a_low_slope_and_fifths_that_say_where():
    truth = np.linspace(4, 5, 100)
    found = reliability(list(4.5 + 2.5 * (truth - 4.5)), list(truth))
    assert found["slope"] == pytest.approx(0.4)
    assert found["fifths"][0]["estimated"] < found["fifths"][0]["scored"] - 0.5
    assert found["fifths"][-1]["estimated"] > found["fifths"][-1]["scored"] + 0.5
    assert found["error"] > 0.3


@pytest.mark.parametrize(("count", "parts"), [(1, 1), (3, 3), (12, 5)])
def test_few_images_and_estimates_that_never_change_have_no_slope(count, parts):
    found = reliability([0.5] * count, [1.0] * count)
    assert (found["slope"], found["intercept"], found["error"]) == (None, None, 0.5)
    assert sum(part["images"] for part in found["fifths"]) == count
    assert len(found["fifths"]) == parts
