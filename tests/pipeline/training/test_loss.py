import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.vocabulary import PADDING

VOCABULARY = 7


def loss_of(logits, targets, smoothing=0.0):
    from pipeline.training.loss import summed_loss

    total, words = summed_loss(np.asarray(logits, "float32"), np.asarray(targets, "int32"), smoothing)
    return float(total), float(words)


def by_hand(logits, targets, smoothing=0.0):
    total, words = 0.0, 0
    for row, ids in zip(np.asarray(logits, "float64"), targets, strict=True):
        for values, target in zip(row, ids, strict=True):
            if target == PADDING:
                continue
            log_probabilities = values - np.log(np.exp(values).sum())
            wanted = np.full(len(values), smoothing / len(values))
            wanted[target] += 1 - smoothing
            total -= (wanted * log_probabilities).sum()
            words += 1
    return total, words


def random_case(seed, n=3, words=5):
    rng = np.random.default_rng(seed)
    targets = rng.integers(1, VOCABULARY, (n, words))
    for row, length in zip(targets, rng.integers(1, words + 1, n), strict=True):
        row[length:] = PADDING
    return rng.normal(size=(n, words, VOCABULARY)) * 3, targets


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([0.0, 0.1, 0.5]))
def test_it_is_the_cross_entropy_of_the_words_computed_by_hand(seed, smoothing):
    logits, targets = random_case(seed)
    assert loss_of(logits, targets, smoothing) == pytest.approx(by_hand(logits, targets, smoothing), rel=1e-5)


def test_what_stands_under_padding_changes_nothing():
    logits, targets = random_case(1)
    changed = logits + 100 * np.random.default_rng(2).normal(size=logits.shape) * (targets == PADDING)[..., None]
    assert (changed != logits).any()
    assert loss_of(changed, targets, 0.1) == pytest.approx(loss_of(logits, targets, 0.1), rel=1e-6)


def test_more_padding_changes_nothing():
    logits, targets = random_case(3)
    wider = np.pad(logits, [(0, 0), (0, 4), (0, 0)], constant_values=9.0)
    padded = np.pad(targets, [(0, 0), (0, 4)], constant_values=PADDING)
    assert loss_of(wider, padded) == pytest.approx(loss_of(logits, targets), rel=1e-6)
    assert loss_of(logits, targets)[1] == (targets != PADDING).sum()


def test_a_model_that_knows_nothing_loses_the_logarithm_of_the_vocabulary_a_word():
    total, words = loss_of(np.zeros((2, 3, VOCABULARY)), np.array([[4, 5, 3], [4, 3, 0]]), 0.3)
    assert words == 5
    assert total / words == pytest.approx(np.log(VOCABULARY))


def test_only_padding_is_no_loss_at_all():
    assert loss_of(np.ones((1, 2, VOCABULARY)), np.zeros((1, 2))) == (0.0, 0.0)
