"""Images as hashes."""

import numpy as np
import pytest

from serving.planning.image_hashes import Deduplicator, contains, hashed


@pytest.mark.parametrize("kinds", [1, 30, 100_000])
def test_repeated_hashes_are_marked(kinds):
    """In batches that repeat themselves and each other, as with a set."""
    random, deduplicator, plain = np.random.default_rng(0), Deduplicator(), set()
    for size in (0, 1, 2, *random.integers(0, 300, 60)):
        values = random.integers(-kinds, kinds, size)
        expected = [value not in plain and not plain.add(value) for value in values.tolist()]
        assert deduplicator.add(values).tolist() == expected
    assert len(plain) > kinds / 20


def test_hashes_among_sorted_ones():
    hashes = np.sort(hashed([("a", "1"), ("b", "2")]))
    assert contains(hashes, hashed([("b", "2"), ("b", "1"), ("a", "1")])).tolist() == [True, False, True]
    assert contains(hashes[:0], hashes).tolist() == [False, False]
