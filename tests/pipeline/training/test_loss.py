import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

VOCABULARY = 7


def loss_of(logits, targets, smoothing=0.0):
    from pipeline.training.loss import summed_loss

    return float(summed_loss(np.asarray(logits, "float32"), np.asarray(targets, "int32"), smoothing))


def by_hand(logits, targets, smoothing=0.0):
    total = 0.0
    for values, target in zip(np.asarray(logits, "float64"), targets, strict=True):
        log_probabilities = values - np.log(np.exp(values).sum())
        wanted = np.full(len(values), smoothing / len(values))
        wanted[target] += 1 - smoothing
        total -= (wanted * log_probabilities).sum()
    return total


def random_case(seed, words=9):
    random = np.random.default_rng(seed)
    return random.normal(size=(words, VOCABULARY)) * 3, random.integers(1, VOCABULARY, words)


@settings(max_examples=25)
@given(st.integers(0, 10**6), st.sampled_from([0.0, 0.1, 0.5]))
def test_it_is_the_cross_entropy_of_the_words_computed_by_hand(seed, smoothing):
    logits, targets = random_case(seed)
    assert loss_of(logits, targets, smoothing) == pytest.approx(by_hand(logits, targets, smoothing), rel=1e-5)


@settings(max_examples=10)
@given(st.integers(0, 10**6))
def test_without_smoothing_it_is_the_negative_likelihood(seed):
    from pipeline.training.loss import likelihood

    logits, targets = random_case(seed)
    each = np.asarray(likelihood(logits.astype("float32"), targets.astype("int32")))
    assert each.shape == targets.shape
    expected = [-by_hand([row], [target]) for row, target in zip(logits, targets, strict=True)]
    np.testing.assert_allclose(each, expected, rtol=1e-5, atol=1e-6)
    assert loss_of(logits, targets) == pytest.approx(-each.sum(), rel=1e-6)


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_a_model_that_knows_nothing_loses_the_logarithm_of_the_vocabulary_a_word(smoothing):
    assert loss_of(np.zeros((5, VOCABULARY)), [4, 5, 3, 4, 3], smoothing) / 5 == pytest.approx(np.log(VOCABULARY))


def test_half_precision_logits_lose_no_precision_in_the_loss():
    from pipeline.training.loss import summed_loss

    logits, targets = random_case(4)
    halves = logits.astype("float16")
    loss = float(summed_loss(halves, targets.astype("int32"), 0.1))
    assert loss == pytest.approx(by_hand(halves, targets, 0.1), rel=1e-5)


def test_no_words_are_no_loss_at_all():
    assert loss_of(np.ones((0, VOCABULARY)), np.zeros(0)) == 0.0
