"""How many captions are no copy of a training caption."""

from __future__ import annotations

from collections.abc import Iterable, Set

from pipeline.metrics.tokenizer import tokenize


def novel_share(captions: Iterable[str], training: Set[tuple[str, ...]]) -> float:
    """The share of captions, in [0, 1], that do not occur word for word in training; 0 where there are none.

    Args:
        captions: the captions.
        training: the tokens of each training caption; capitals and punctuation make no difference.
    """
    new = [tuple(tokenize(caption)) not in training for caption in captions]
    return sum(new) / max(1, len(new))
