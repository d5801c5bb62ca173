"""Counts of n-grams."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.metrics.ngrams import ORDER, count_ngrams


def test_n_grams_of_one_to_four_tokens_are_counted():
    counts = count_ngrams(["a", "b", "a", "b", "a"])
    assert counts["a",] == 3
    assert counts["a", "b"] == counts["b", "a"] == counts["a", "b", "a"] == 2
    assert counts["a", "b", "a", "b"] == counts["b", "a", "b", "a"] == 1
    assert ("a", "b", "a", "b", "a") not in counts


@pytest.mark.parametrize(("tokens", "kinds"), [([], 0), (["a"], 1), (["a", "a"], 2)])
def test_short_captions_have_few(tokens, kinds):
    assert len(count_ngrams(tokens)) == kinds


@given(st.lists(st.sampled_from("abc"), max_size=12))
def test_there_are_as_many_as_places(tokens):
    assert count_ngrams(tokens).total() == sum(max(0, len(tokens) - size) for size in range(ORDER))
