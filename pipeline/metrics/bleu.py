"""BLEU (Papineni et al., ACL 2002) with the constants of the COCO caption evaluation."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pipeline.metrics.ngrams import ORDER, NGram, TokenSequence, count_ngrams

_TINY = 1e-15  # both prevent a division by zero, and both show in published digits
_SMALL = 1e-9


@dataclass(frozen=True)
class Matches:
    """Counts for BLEU of one caption, or their sum or mean over captions."""

    length: float  # tokens of the caption
    reference_length: float  # tokens of the reference nearest in length, the shorter of two as near
    guessed: tuple[float, ...]  # n-grams of the caption, for n = 1..4
    correct: tuple[float, ...]  # n-grams that a reference has, too, each at most as often as there

    def bleu(self) -> list[float]:
        """BLEU-1 to BLEU-4, each in [0, 1]."""
        ratio = (self.length + _TINY) / (self.reference_length + _SMALL)
        penalty = math.exp(1 - 1 / ratio) if ratio < 1 else 1.0
        product = 1.0
        scores = []
        for order, (correct, guessed) in enumerate(zip(self.correct, self.guessed, strict=True), start=1):
            product *= (correct + _TINY) / (guessed + _SMALL)
            scores.append(product ** (1 / order) * penalty)
        return scores


@dataclass(frozen=True)
class ReferenceCounts:
    """Counts of a caption's references, reused for any number of captions."""

    ngrams: Counter[NGram]  # with the highest count in one reference
    lengths: tuple[int, ...]  # tokens of each reference, at least one

    @classmethod
    def of(cls, references: Sequence[TokenSequence]) -> ReferenceCounts:
        """Count tokenised references."""
        ngrams: Counter[NGram] = Counter()
        for reference in references:
            ngrams |= count_ngrams(reference)
        return cls(ngrams, tuple(map(len, references)))

    def match(self, caption: TokenSequence) -> Matches:
        """Compare one tokenised caption."""
        correct = [0] * ORDER
        for ngram, count in count_ngrams(caption).items():
            if allowed := self.ngrams.get(ngram):
                correct[len(ngram) - 1] += min(count, allowed)
        return Matches(
            length=len(caption),
            reference_length=min((abs(length - len(caption)), length) for length in self.lengths)[1],
            guessed=tuple(max(0, len(caption) - size) for size in range(ORDER)),
            correct=tuple(correct),
        )


def match(references: Sequence[TokenSequence], caption: TokenSequence) -> Matches:
    """Compare one tokenised caption with its references, at least one."""
    return ReferenceCounts.of(references).match(caption)


def total(matches: Iterable[Matches]) -> Matches:
    """The sum over a set of captions; corpus BLEU is `total(...).bleu()`."""
    rows = list(matches)
    return Matches(
        length=sum(row.length for row in rows),
        reference_length=sum(row.reference_length for row in rows),
        guessed=tuple(sum(row.guessed[size] for row in rows) for size in range(ORDER)),
        correct=tuple(sum(row.correct[size] for row in rows) for size in range(ORDER)),
    )
