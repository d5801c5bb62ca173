"""A version as the gate sees it: its captions of the test split, and their scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.metrics.cider import DocumentFrequencies, Vector, cider_d
from pipeline.metrics.health import Health, caption_health
from pipeline.metrics.tokenizer import tokenize
from pipeline.model.confidence import Reals


class GateReferences:
    """People's captions of the test split, prepared once for every version that is scored."""

    def __init__(self, references: Mapping[str, Sequence[str]]) -> None:
        self.images = list(references)
        tokens = [[tokenize(text) for text in references[image]] for image in self.images]
        self._frequencies = DocumentFrequencies.of(tokens)
        self._vectors = [[self._frequencies.vector(words) for words in own] for own in tokens]

    def score(self, captions: Mapping[str, str]) -> Reals:
        """CIDEr-D of each image's caption, in [0, 10] and the order of `images`; 0 where there is none."""
        return self._scores(self._vectors_of(captions))

    def score_moved(self, captions: Mapping[str, str]) -> Reals:
        """As `score`, with each image's caption given to the image before it."""
        vectors = self._vectors_of(captions)
        return self._scores([*vectors[1:], vectors[0]])

    def _vectors_of(self, captions: Mapping[str, str]) -> list[Vector]:
        return [self._frequencies.vector(tokenize(captions.get(image, ""))) for image in self.images]

    def _scores(self, captions: Sequence[Vector]) -> Reals:
        return np.array([cider_d(own, caption) for own, caption in zip(self._vectors, captions, strict=True)])


@dataclass(frozen=True)
class GateCandidate:
    """A version with its captions by test image."""

    version: str
    digest: str  # of its bundle
    captions: Mapping[str, str]
    cider_d: Reals  # of each image, in [0, 10], in the order of `GateReferences.images`
    moved: Reals  # the same with captions moved to other images
    health: Health
    chair: float | None = None  # share of named objects that are not there (CHAIR_i); None where they are not known
    withheld: float | None = None  # share of captions that it would withhold; None where not measured
    reliability: Mapping[str, Any] | None = None  # of its confidence, see `evaluation.reliability`; None likewise


def candidate_of(
    version: str, digest: str, references: GateReferences, captions: Mapping[str, str], **measured: Any
) -> GateCandidate:
    """Score a version's captions; `measured` is `chair`, `withheld` and `reliability`, where known."""
    cider_d, moved = references.score(captions), references.score_moved(captions)
    health = caption_health(list(captions.values()))
    return GateCandidate(version, digest, captions, cider_d, moved, health, **measured)
