import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.training.weight_average import MovingAverage


def variables(*values):
    return [keras.Variable(np.asarray(value, "float32")) for value in values]


def values_of(weights):
    return [np.array(weight) for weight in weights]


@settings(max_examples=20)
@given(st.sampled_from([0.5, 0.9, 0.999]), st.integers(0, 40), st.integers(0, 99))
def test_it_is_the_recurrence_computed_by_hand(decay, steps, seed):
    random = np.random.default_rng(seed)
    weights = variables(random.normal(size=(2, 3)), 4.0)
    average = MovingAverage(weights, decay)
    expected = [np.array(weight, "float64") for weight in weights]
    for step in range(1, steps + 1):
        for weight in weights:
            weight.assign(random.normal(size=weight.shape))
        average.update(weights)
        share = min(decay, step / (step + 10))
        expected = [old * share + np.array(weight) * (1 - share) for old, weight in zip(expected, weights, strict=True)]
    assert int(average.values[0]) == steps
    for actual, wanted in zip(average.values[1:], expected, strict=True):
        np.testing.assert_allclose(actual, wanted, rtol=1e-5, atol=1e-6)


def test_it_stands_in_for_the_weights_and_gives_them_back_exactly():
    weights = variables([1.0, 1 / 3], 7.0)
    average = MovingAverage(weights, 0.9)
    for weight in weights:
        weight.assign(weight * 5.0)
    average.update(weights)
    own = values_of(weights)
    with average.in_place_of(weights):
        inside = values_of(weights)
    for actual, wanted in zip(inside, average.values[1:], strict=True):
        np.testing.assert_array_equal(actual, wanted)
    assert all((one != other).all() for one, other in zip(inside, own, strict=True))
    for actual, wanted in zip(weights, own, strict=True):
        np.testing.assert_array_equal(actual, wanted)


def test_after_an_exception_the_weights_are_back_too():
    weights = variables([1.0, 2.0])
    average = MovingAverage(weights, 0.9)
    weights[0].assign([5.0, 6.0])
    with pytest.raises(KeyboardInterrupt), average.in_place_of(weights):
        np.testing.assert_array_equal(weights[0], [1.0, 2.0])
        raise KeyboardInterrupt
    np.testing.assert_array_equal(weights[0], [5.0, 6.0])


def test_without_decay_there_is_none():
    weights = variables([1.0, 2.0])
    average = MovingAverage(weights, 0.0)
    weights[0].assign([5.0, 6.0])
    average.update(weights)
    assert average.values == []
    with average.in_place_of(weights):
        np.testing.assert_array_equal(weights[0], [5.0, 6.0])
