"""Counting the n-grams of a tokenised caption."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

ORDER = 4

Tokens = Sequence[str]
NGram = tuple[str, ...]


def count_ngrams(tokens: Tokens) -> Counter[NGram]:
    """How often each n-gram of 1 to 4 tokens occurs."""
    counts: Counter[NGram] = Counter()
    for size in range(1, ORDER + 1):
        counts.update(zip(*(tokens[start:] for start in range(size)), strict=False))
    return counts
