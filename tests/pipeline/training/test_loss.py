import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.training.loss import sampled_loss, summed_loss

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


def sampled(logits, targets, smoothing, times, drawn=300):
    """The sampled loss of logits [words, vocabulary], and its gradient to them, so many times."""
    random = keras.random.SeedGenerator(5)

    @tf.function
    def once(logits):
        loss = sampled_loss(
            lambda ids: tf.gather(logits, ids, axis=1), logits.shape[1], targets, smoothing, random, (10, drawn)
        )
        return loss, tf.convert_to_tensor(tf.gradients(loss, logits)[0])

    losses, gradients = zip(*(once(logits) for _ in range(times)), strict=True)
    return np.array(losses), np.array(gradients)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_a_sampled_loss_and_its_gradient_are_on_average_the_exact_ones(smoothing):
    random = np.random.default_rng(2)
    logits = tf.constant(random.normal(size=(6, 60)) - np.linspace(0, 4, 60), tf.float32)
    targets = tf.constant([3, 9, 10, 30, 59, 30])  # frequent ones and others, one of them twice
    losses, gradients = sampled(logits, targets, smoothing, 100)
    with tf.GradientTape() as tape:
        tape.watch(logits)
        exact = summed_loss(logits, targets, smoothing)
    assert losses.mean() == pytest.approx(float(exact), rel=0.01)
    assert losses.std() > 0  # the state that a checkpoint keeps moves on
    np.testing.assert_allclose(gradients.mean(axis=0), tape.gradient(exact, logits), atol=0.01)


def test_the_frequent_words_and_the_one_that_is_said_count_as_they_are():
    logits = np.full((2, 60), -50.0)
    logits[:, :10], logits[1, 40] = np.linspace(0, 2, 10), 1.5
    losses, _ = sampled(tf.constant(logits, tf.float32), tf.constant([4, 40]), 0.0, 3, drawn=1)
    rivals = logits[:, np.r_[:10, 40]]
    expected = np.log(np.exp(rivals).sum(axis=1)) - [logits[0, 4], logits[1, 40]]
    np.testing.assert_allclose(losses, expected.sum(), rtol=1e-5)
