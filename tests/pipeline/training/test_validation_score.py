import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.training.validation_score import MOST_DANGLING, MOST_REPEATED, ValidationScore

SHARES = st.sampled_from([0.0, 0.009, 0.01, 0.011, 0.02, 0.021, 0.5, 1.0])
QUALITIES = st.builds(ValidationScore, st.floats(0, 10), st.floats(0, 1), st.floats(0, 9), SHARES, SHARES)


@pytest.mark.parametrize("whole_first", [False, True])
def test_an_epoch_is_chosen_by_its_captions_and_only_then_by_its_loss(whole_first):
    assert ValidationScore(0.5, 0.0, 3.0, 0, 0).better_than(ValidationScore(0.4, 0.0, 1.0, 0, 0), whole_first)
    assert ValidationScore(0.5, 0.0, 1.0, 0, 0).better_than(ValidationScore(0.5, 0.0, 3.0, 0, 0), whole_first)
    assert not ValidationScore(0.5, 0.0, 1.0, 0, 0).better_than(ValidationScore(0.5, 0.0, 1.0, 0, 0), whole_first)


@given(QUALITIES, QUALITIES)
def test_what_breaks_off_or_repeats_never_wins_over_what_is_whole(one, other):
    healthy = [quality.dangling <= MOST_DANGLING and quality.repeated <= MOST_REPEATED for quality in (one, other)]
    assert [one.whole, other.whole] == healthy
    if one.whole and not other.whole:
        assert one.better_than(other, whole_first=True)
    assert not (one.better_than(other, True) and other.better_than(one, True))


@given(QUALITIES, QUALITIES)
def test_where_whole_captions_are_not_asked_for_first_it_does_not_count(one, other):
    expected = (one.cider_d, -one.loss) > (other.cider_d, -other.loss)
    assert one.better_than(other, whole_first=False) == expected
    if one.whole == other.whole:
        assert one.better_than(other, whole_first=True) == expected


@given(QUALITIES, QUALITIES)
def test_what_is_better_keeps_up_and_what_is_broken_does_not(one, other):
    for whole_first in (False, True):
        if one.better_than(other, whole_first):
            assert one.keeps_up_with(other, whole_first, tolerance=0.0)
    if other.whole and not one.whole:
        assert not one.keeps_up_with(other, whole_first=True, tolerance=0.5)


@pytest.mark.parametrize(("cider_d", "keeps_up"), [(0.52, True), (0.49, True), (0.485, False), (0.4, False)])
def test_an_epoch_keeps_up_within_what_so_many_images_can_tell(cider_d, keeps_up):
    best = ValidationScore(0.5, 0.02, 2.7, 0, 0)
    assert ValidationScore(cider_d, 0.5, 3.0, 0, 0).keeps_up_with(best, whole_first=False, tolerance=0.5) == keeps_up


@given(QUALITIES)
def test_a_quality_comes_back_from_the_curves_as_they_are_kept(quality):
    row = {"loss": 1.0, **quality.as_dict(), "seconds": 2.0}
    assert ValidationScore.of(json.loads(json.dumps(row))) == quality
