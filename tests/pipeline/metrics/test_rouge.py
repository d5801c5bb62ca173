import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.metrics.rouge import longest_common_subsequence, rouge_l

WORDS = st.lists(st.sampled_from(["a", "dog", "runs", "fast", "on"]), max_size=9)
REFERENCES = st.lists(WORDS, min_size=1, max_size=4)


def test_rouge_l_by_hand():
    # Common to the first: a dog grass (3 of 5); to the second: a dog (2 of 2). Precision 3/4, recall 1.
    references = [["a", "dog", "runs", "on", "grass"], ["a", "dog"]]
    expected = (1 + 1.44) * 0.75 * 1 / (1 + 1.44 * 0.75)
    assert rouge_l(references, ["a", "big", "dog", "grass"]) == pytest.approx(expected)


def test_nothing_in_common_scores_nothing():
    assert rouge_l([["a", "dog"]], ["two", "cats"]) == 0
    assert rouge_l([["a", "dog"]], []) == 0
    assert rouge_l([[]], []) == 0


def naive(first, second):
    if not first or not second:
        return 0
    if first[-1] == second[-1]:
        return naive(first[:-1], second[:-1]) + 1
    return max(naive(first[:-1], second), naive(first, second[:-1]))


@settings(deadline=None)
@given(st.lists(st.sampled_from("abc"), max_size=7), st.lists(st.sampled_from("abc"), max_size=7))
def test_subsequences_as_defined(first, second):
    assert longest_common_subsequence(first, second) == naive(first, second)


@settings(deadline=None)
@given(REFERENCES, WORDS)
def test_bounded_and_blind_to_the_order_of_references(references, caption):
    score = rouge_l(references, caption)
    assert 0 <= score <= 1 + 1e-12
    assert score == rouge_l(references[::-1], caption)


@settings(deadline=None)
@given(WORDS.filter(bool), REFERENCES)
def test_a_reference_itself_scores_one(caption, others):
    assert rouge_l([*others, caption], caption) == pytest.approx(1)


@settings(deadline=None)
@given(st.lists(WORDS.filter(bool), min_size=1, max_size=4), WORDS)
def test_equal_to_the_original_scorer(references, caption):
    original = pytest.importorskip("pycocoevalcap.rouge.rouge")
    expected = original.Rouge().calc_score([" ".join(caption)], [" ".join(reference) for reference in references])
    assert rouge_l(references, caption) == pytest.approx(expected, abs=1e-9)
