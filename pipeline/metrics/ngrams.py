"""Counting the n-grams of a tokenised caption."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import chain

ORDER = 4

TokenSequence = Sequence[str]
NGram = tuple[str, ...]


def count_ngrams(tokens: TokenSequence) -> Counter[NGram]:
    """How often each n-gram of 1 to 4 tokens occurs."""
    shifted = [tokens[start:] for start in range(ORDER)]
    return Counter(chain.from_iterable(zip(*shifted[:size], strict=False) for size in range(1, ORDER + 1)))
