import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pipeline.metrics.divergence import jensen_shannon

COUNTS = arrays(np.int64, 6, elements=st.integers(0, 10_000))


@given(COUNTS, COUNTS)
def test_it_lies_between_0_and_1_and_has_no_direction(first, second):
    assume(first.any() and second.any())
    found = jensen_shannon(first, second)
    assert 0 <= found <= 1
    assert found == pytest.approx(jensen_shannon(second, first), abs=1e-12)


@given(COUNTS, st.integers(1, 50))
def test_it_is_0_for_the_same_shares_of_any_size(counts, times):
    assume(counts.any())
    assert jensen_shannon(counts, counts * times) == pytest.approx(0, abs=1e-9)


@given(COUNTS, COUNTS)
def test_it_is_1_where_nothing_is_shared(first, second):
    assume(first.any() and second.any())
    nothing = np.zeros(6, np.int64)
    assert jensen_shannon(np.concatenate([first, nothing]), np.concatenate([nothing, second])) == pytest.approx(1)


@given(COUNTS, COUNTS, COUNTS)
def test_its_root_is_a_distance(first, second, third):
    assume(first.any() and second.any() and third.any())
    root = [jensen_shannon(*pair) ** 0.5 for pair in ((first, third), (first, second), (second, third))]
    assert root[0] <= root[1] + root[2] + 1e-9


@given(COUNTS, COUNTS)
def test_it_never_grows_when_bins_are_joined(first, second):
    assume(first.any() and second.any())
    joined = [counts.reshape(3, 2).sum(axis=1) for counts in (first, second)]
    assert jensen_shannon(*joined) <= jensen_shannon(first, second) + 1e-9


def test_a_known_value():
    assert jensen_shannon(np.array([1, 0]), np.array([1, 1])) == pytest.approx(0.311278, abs=1e-6)
