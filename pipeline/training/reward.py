"""The reward of a whole caption: CIDEr-D, perhaps with BLEU-4, against people's captions of the image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.metrics.bleu import ReferenceCounts
from pipeline.metrics.cider import DocumentFrequencies, cider_d
from pipeline.model.vocabulary import PADDING, START, Vocabulary
from pipeline.training.batches import Batch, TokenIds

Rewards = npt.NDArray[np.float32]
ImageCaption = tuple[int, tuple[str, ...]]  # an image's index and words


@dataclass(frozen=True)
class Reward:
    """The reward of self-critical training (Rennie et al., CVPR 2017)."""

    words: Vocabulary  # the vocabulary
    frequencies: DocumentFrequencies  # of the training captions
    bleu_weight: float  # weight of BLEU-4 in [0, 1] beside CIDEr-D in [0, 10]

    @classmethod
    def of(cls, words: Vocabulary, captions: Sequence[TokenIds], bleu_weight: float) -> Reward:
        """Count the document frequencies over the captions of each training image, int32 [captions, words]."""
        spelt = ([_spell(words, row) for row in rows] for rows in captions)
        return cls(words, DocumentFrequencies.of(spelt), bleu_weight)

    def __call__(self, batch: Batch, sampled: TokenIds, images: npt.NDArray[np.int32]) -> Rewards:
        """Rewards of sampled captions, int32 [captions, words], of images int32 [captions]: float32 [captions]."""
        references: list[list[list[str]]] = [[] for _ in batch.features]
        for image, row in zip(batch.images, batch.tokens, strict=True):
            references[image].append(_spell(self.words, row))
        pairs = zip(images.tolist(), sampled, strict=True)
        captions = [(image, tuple(_spell(self.words, row))) for image, row in pairs]
        scores = self._scores(references, set(captions))  # a sure model samples one caption several times
        return np.array([scores[caption] for caption in captions], np.float32)

    def _scores(self, references: list[list[list[str]]], captions: set[ImageCaption]) -> dict[ImageCaption, float]:
        vectors = [[self.frequencies.vector(reference) for reference in own] for own in references]
        allowed = [ReferenceCounts.of(own) for own in references] if self.bleu_weight else []
        scores = {}
        for image, caption in captions:
            scores[image, caption] = cider_d(vectors[image], self.frequencies.vector(caption))
            if self.bleu_weight:
                scores[image, caption] += self.bleu_weight * allowed[image].match(caption).bleu()[-1]
        return scores


def advantages(rewards: Rewards, samples: int) -> Rewards:
    """How much better each caption, float32 [images * samples], is than the mean of its image's other samples."""
    each = rewards.reshape(-1, samples)  # [images, samples]
    others = (each.sum(axis=1, keepdims=True) - each) / (samples - 1)
    gains: Rewards = each - others
    return gains.reshape(-1)  # [images * samples]


def _spell(words: Vocabulary, ids: npt.NDArray[np.int32]) -> list[str]:
    # `<end>` counts as a word: without it a caption gains by breaking off after "a" or "of", as likely n-grams do.
    return [words.words[index] for index in ids if index not in (PADDING, START)]
