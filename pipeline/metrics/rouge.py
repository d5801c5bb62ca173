"""ROUGE-L (Lin, ACL 2004 workshop) as the COCO caption evaluation computes it."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.metrics.ngrams import TokenSequence

_BETA = 1.2


def rouge_l(references: Sequence[TokenSequence], caption: TokenSequence) -> float:
    """ROUGE-L of one tokenised caption, in [0, 1]; precision and recall may be of different references."""
    common = [longest_common_subsequence(reference, caption) for reference in references]
    if not any(common):
        return 0.0
    precision = max(common) / len(caption)
    recall = max(length / len(reference) for length, reference in zip(common, references, strict=True) if length)
    return (1 + _BETA**2) * precision * recall / (recall + _BETA**2 * precision)


def longest_common_subsequence(first: TokenSequence, second: TokenSequence) -> int:
    """Length of the longest common subsequence, with one row of the table in the bits of an integer.

    Hyyro, "Bit-parallel LCS-length computation revisited", AWOCA 2004.
    """
    places: dict[str, int] = {}
    for place, token in enumerate(first):
        places[token] = places.get(token, 0) | 1 << place
    row = every = (1 << len(first)) - 1
    for token in second:
        matched = row & places.get(token, 0)
        row = (row + matched | row - matched) & every
    return len(first) - row.bit_count()
