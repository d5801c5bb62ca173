import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.metrics.cider import DocumentFrequencies, cider_d

WORDS = st.lists(st.sampled_from(["a", "dog", "runs", "fast", "on"]), max_size=9)
IMAGES = st.lists(st.tuples(st.lists(WORDS, min_size=1, max_size=4), WORDS), min_size=1, max_size=6)


def scores(images):
    frequencies = DocumentFrequencies.of([references for references, _ in images])
    return [
        cider_d([frequencies.vector(reference) for reference in references], frequencies.vector(caption))
        for references, caption in images
    ]


def test_frequencies_count_images_not_captions():
    frequencies = DocumentFrequencies.of([[["a", "a", "dog"], ["a"]], [["a", "cat"]]])
    assert frequencies.documents == 2
    assert frequencies.frequency[("a",)] == 2
    assert frequencies.frequency[("a", "a")] == 1
    assert ("cat", "a") not in frequencies.frequency


def test_cider_d_by_hand():
    # Two images; "a" is in both (weight 0), all else weighs log 2, so cosines are ratios of counts.
    images = [([["a", "dog"]], ["a", "dog", "runs"]), ([["a", "cat"]], ["a"])]
    unigrams = 1 / math.sqrt(2)  # {dog} against {dog, runs}
    bigrams = 1 / math.sqrt(2)  # {a dog} against {a dog, dog runs}
    penalty = math.exp(-1 / (2 * 36))
    assert scores(images) == pytest.approx([10 * penalty * (unigrams + bigrams) / 4, 0])


def test_a_repeated_word_is_clipped():
    # {dog: 2 log 2} against {dog: log 2}: 1*1 / (2*1), where the cosine would be 1; bigrams share nothing.
    images = [([["dog"]], ["dog", "dog"]), ([["cat"]], ["cat"])]
    assert scores(images)[0] == pytest.approx(10 * math.exp(-1 / 72) * 0.5 / 4)


def test_one_image_alone_scores_nothing():
    assert scores([([["a", "dog", "runs", "fast"]], ["a", "dog", "runs", "fast"])]) == [0]


def test_frozen_frequencies_make_an_image_independent_of_the_others():
    frozen = DocumentFrequencies.of([[["a", "dog", "runs", "fast"]], [["a", "cat", "sits", "still"]]])
    caption = frozen.vector(["a", "dog", "runs", "fast"])
    assert cider_d([caption], caption) == pytest.approx(10)
    assert frozen.vector(["zebra"]).weights[("zebra",)] == pytest.approx(math.log(2))


@settings(deadline=None)
@given(IMAGES)
def test_bounded(images):
    assert all(0 <= score <= 10 + 1e-9 for score in scores(images))


@settings(deadline=None)
@given(IMAGES)
def test_order_does_not_matter(images):
    turned = [(references[::-1], caption) for references, caption in reversed(images)]
    assert scores(turned)[::-1] == pytest.approx(scores(images))


@settings(deadline=None)
@given(IMAGES)
def test_equal_to_the_original_scorer(images):
    original = pytest.importorskip("pycocoevalcap.cider.cider_scorer")
    scorer = original.CiderScorer(n=4, sigma=6.0)
    for references, caption in images:
        scorer += (" ".join(caption), [" ".join(reference) for reference in references])
    scorer.compute_doc_freq()
    assert scores(images) == pytest.approx(scorer.compute_cider(), abs=1e-9)
