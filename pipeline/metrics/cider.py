"""CIDEr-D (Vedantam, Zitnick and Parikh, CVPR 2015), scaled by 10 as in published tables."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pipeline.metrics.ngrams import ORDER, NGram, TokenSequence, count_ngrams

_SIGMA = 6.0
_SCALE = 10.0


@dataclass(frozen=True)
class Vector:
    """A caption as tf-idf weights of its n-grams of 1 to 4 tokens."""

    weights: Mapping[NGram, float]
    norms: tuple[float, ...]  # Euclidean length of the weights of each n, for n = 1..4
    length: int  # tokens less one, by which the evaluation compares lengths


@dataclass(frozen=True)
class DocumentFrequencies:
    """In how many images' references each n-gram occurs; the same frequencies make scores comparable."""

    documents: int  # images; with only one, every weight and CIDEr-D are 0
    frequency: Mapping[NGram, int]  # images whose references have the n-gram, at least one

    @classmethod
    def of(cls, references: Iterable[Sequence[TokenSequence]]) -> DocumentFrequencies:
        """Count over the tokenised references of each image."""
        frequency: Counter[NGram] = Counter()
        documents = 0
        for captions in references:
            documents += 1
            frequency.update({ngram for caption in captions for ngram in count_ngrams(caption)})
        return cls(documents, frequency)

    def vector(self, tokens: TokenSequence) -> Vector:
        """Weigh the n-grams of a caption; one without a reference weighs as one in the references of one image."""
        log_documents = math.log(max(1, self.documents))
        weights = {}
        squares = [0.0] * ORDER
        for ngram, count in count_ngrams(tokens).items():
            weight = weights[ngram] = count * (log_documents - math.log(self.frequency.get(ngram, 1)))
            squares[len(ngram) - 1] += weight * weight
        return Vector(weights, tuple(map(math.sqrt, squares)), max(0, len(tokens) - 1))


def cider_d(references: Sequence[Vector], caption: Vector) -> float:
    """CIDEr-D of one caption, in [0, 10]; all vectors come from the same frequencies. A set's score is the mean."""
    return _SCALE * sum(_similarity(reference, caption) for reference in references) / len(references)


def _similarity(reference: Vector, caption: Vector) -> float:
    products = [0.0] * ORDER
    for ngram, weight in caption.weights.items():
        if reference_weight := reference.weights.get(ngram):
            products[len(ngram) - 1] += min(weight, reference_weight) * reference_weight
    penalty = math.exp(-((caption.length - reference.length) ** 2) / (2 * _SIGMA**2))
    norms = zip(products, caption.norms, reference.norms, strict=True)
    return penalty * sum(product / (left * right) for product, left, right in norms if product) / ORDER
