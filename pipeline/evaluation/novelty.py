"""How many captions are no copy of a training caption."""

from __future__ import annotations

from collections.abc import Iterable, Set

from pipeline.metrics.tokenizer import tokenize


def novel_share(captions: Iterable[str], training: Set[tuple[str, ...]]) -> float:
    """The share of captions, in [0, 1], whose tokens are not those of any in training; 0 where there are none."""
    new = [tuple(tokenize(caption)) not in training for caption in captions]
    return sum(new) / max(1, len(new))
