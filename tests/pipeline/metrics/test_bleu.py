import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.metrics.bleu import match, total

WORDS = st.lists(st.sampled_from(["a", "dog", "runs", "fast", "on", "grass"]), max_size=9)
REFERENCES = st.lists(WORDS, min_size=1, max_size=4)


def test_bleu_by_hand():
    # the the cat sat: "the" counts twice although three are guessed; bigrams "the cat", "cat sat" of three.
    row = match([["the", "cat", "sat", "on", "the", "mat"], ["a", "cat", "sat"]], ["the", "the", "cat", "sat"])
    assert row.correct == (4, 2, 1, 0)
    assert row.guessed == (4, 3, 2, 1)
    # 4 tokens lie 1 from the reference of 3 and 2 from that of 6: no brevity penalty
    assert row.reference_length == 3
    expected = [1, math.sqrt(2 / 3), (2 / 3 * 1 / 2) ** (1 / 3)]
    assert row.bleu()[:3] == pytest.approx(expected, abs=1e-6)
    assert row.bleu()[3] == pytest.approx((2 / 3 * 1 / 2 * 1e-15) ** (1 / 4), rel=1e-6)


def test_a_word_counts_no_more_often_than_in_one_reference():
    row = match([["the", "cat"], ["the", "dog"]], ["the", "the", "the"])
    assert row.correct[0] == 1


def test_a_short_caption_is_penalised():
    row = match([["a", "b", "c", "d", "e", "f", "g", "h"]], ["a", "b", "c", "d"])
    assert row.bleu() == pytest.approx([math.exp(1 - 8 / 4)] * 4, abs=1e-6)


def test_of_two_lengths_as_near_the_shorter_counts():
    assert match([["a"] * 6, ["a"] * 4], ["a"] * 5).reference_length == 4


def test_a_corpus_is_added_up_before_dividing():
    good, bad = match([["a", "b"]], ["a", "b"]), match([["a", "b", "c", "d"]], ["x", "y"])
    # 2 of 4 words, 4 tokens against 6
    assert total([good, bad]).bleu()[0] == pytest.approx(0.5 * math.exp(1 - 6 / 4), abs=1e-6)


def test_an_empty_caption_scores_nothing():
    assert match([["a", "dog"]], []).bleu() == [0, 0, 0, 0]


@settings(deadline=None)
@given(REFERENCES, WORDS)
def test_bounded(references, caption):
    assert all(0 <= score <= 1 for score in match(references, caption).bleu())


@settings(deadline=None)
@given(REFERENCES, WORDS)
def test_order_of_references_does_not_matter(references, caption):
    assert match(references, caption) == match(references[::-1], caption)


@settings(deadline=None)
@given(st.lists(st.sampled_from("abcdef"), min_size=4, max_size=12), REFERENCES)
def test_a_reference_itself_scores_one(caption, others):
    assert match([*others, caption], caption).bleu() == pytest.approx([1] * 4, abs=1e-6)


@settings(deadline=None)
@given(st.lists(st.tuples(REFERENCES, WORDS), min_size=1, max_size=6))
def test_equal_to_the_original_scorer(rows):
    original = pytest.importorskip("pycocoevalcap.bleu.bleu")
    gts = {at: [" ".join(reference) for reference in references] for at, (references, _) in enumerate(rows)}
    res = {at: [" ".join(caption)] for at, (_, caption) in enumerate(rows)}
    corpus, each = original.Bleu(4).compute_score(gts, res, verbose=0)
    matches = [match(*row) for row in rows]
    assert total(matches).bleu() == pytest.approx(corpus, abs=1e-9)
    assert [row.bleu()[3] for row in matches] == pytest.approx(each[3], abs=1e-9)
