import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.evaluation.risk_coverage import rank_correlation, risk_coverage


def test_the_most_confident_are_taken_first():
    actual = risk_coverage([0.1, 0.9, 0.5, 0.7], [0.0, 4.0, 1.0, 3.0])
    assert actual["coverage"] == [1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1]
    assert actual["cider_d"] == pytest.approx([2, 2, 2, 8 / 3, 8 / 3, 3.5, 3.5, 3.5, 4, 4])
    assert actual["gain_at_70"] == pytest.approx(2 / 3)
    assert actual["area"] == pytest.approx((4 + 3.5 + 8 / 3 + 2) / 4)
    assert actual["rank_correlation"] == pytest.approx(1)


def test_of_equal_confidences_the_first_counts_as_more_confident():
    assert risk_coverage([0.5, 0.5], [3.0, 1.0])["cider_d"][-1] == 3


def test_70_of_100_are_70_whatever_the_rounding():
    scores = [1.0] * 70 + [0.0] * 30
    actual = risk_coverage(list(range(100, 0, -1)), scores)
    assert actual["cider_d"][3] == 1.0
    assert actual["gain_at_70"] == pytest.approx(0.3)


def test_nothing_correlates_with_what_never_changes():
    assert rank_correlation([1, 1, 1], [1, 2, 3]) is None
    assert risk_coverage([1], [2.0])["rank_correlation"] is None


def test_ranks_not_values_correlate():
    assert rank_correlation([1, 2, 3, 100], [0.1, 0.2, 0.3, 0.31]) == pytest.approx(1)
    assert rank_correlation([1, 2, 3], [9, 4, 1]) == pytest.approx(-1)


@given(st.lists(st.tuples(st.floats(-5, 5), st.floats(0, 10)), min_size=1, max_size=60))
def test_all_captions_score_their_mean_and_no_order_beats_the_true_one(pairs):
    confidences, scores = (list(side) for side in zip(*pairs, strict=True))
    actual, oracle = risk_coverage(confidences, scores), risk_coverage(scores, scores)
    assert actual["cider_d"][0] == pytest.approx(np.mean(scores))
    assert oracle["area"] >= actual["area"] - 1e-9
    assert oracle["gain_at_70"] >= -1e-9
