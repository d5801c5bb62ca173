"""Images as hashes."""

import numpy as np
import pytest

from serving.planning.seen import Met, contains, hashed


@pytest.mark.parametrize("kinds", [1, 30, 100_000])
def test_what_is_met_again_is_told(kinds):
    """In batches that repeat themselves and each other, as a set would tell it."""
    random, met, plain = np.random.default_rng(0), Met(), set()
    for size in (0, 1, 2, *random.integers(0, 300, 60)):
        values = random.integers(-kinds, kinds, size)
        expected = [value not in plain and not plain.add(value) for value in values.tolist()]
        assert met.add(values).tolist() == expected
    assert len(plain) > kinds / 20


def test_what_is_known_is_found():
    known = np.sort(hashed([("a", "1"), ("b", "2")]))
    assert contains(known, hashed([("b", "2"), ("b", "1"), ("a", "1")])).tolist() == [True, False, True]
    assert contains(known[:0], known).tolist() == [False, False]
