import pytest

from pipeline.core.points import points


@pytest.mark.parametrize(("score", "shown"), [(0.5784, "57.8"), (4.766, "476.6"), (0.0, "0.0"), (-0.0014, "-0.1")])
def test_a_score_is_shown_times_100(score, shown):
    assert points(score) == shown
