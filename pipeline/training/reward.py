"""What a whole caption is worth: CIDEr-D, perhaps with BLEU-4, against people's captions of the image."""

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
Said = tuple[int, tuple[str, ...]]  # an image and the words said of it


@dataclass(frozen=True)
class Reward:
    """The reward of self-critical training (Rennie et al., CVPR 2017).

    `<end>` counts as a word, in the document frequencies too: without it a caption gains by breaking
    off after "a" or "of", where likely n-grams are to be had for nothing.

    Attributes:
        words: the vocabulary.
        frequencies: of the training captions.
        bleu_weight: weight of BLEU-4 in [0, 1] beside CIDEr-D in [0, 10].
    """

    words: Vocabulary
    frequencies: DocumentFrequencies
    bleu_weight: float

    @classmethod
    def of(cls, words: Vocabulary, captions: Sequence[TokenIds], bleu_weight: float) -> Reward:
        """Count the document frequencies over the captions of each training image, int32 [captions, places]."""
        spelt = ([_spell(words, row) for row in rows] for rows in captions)
        return cls(words, DocumentFrequencies.of(spelt), bleu_weight)

    def __call__(self, batch: Batch, drawn: TokenIds, images: npt.NDArray[np.int32]) -> Rewards:
        """Rewards of drawn captions, int32 [drawn, places], of images int32 [drawn]: float32 [drawn]."""
        references: list[list[list[str]]] = [[] for _ in batch.features]
        for image, row in zip(batch.images, batch.tokens, strict=True):
            references[image].append(_spell(self.words, row))
        pairs = zip(images.tolist(), drawn, strict=True)
        said = [(image, tuple(_spell(self.words, row))) for image, row in pairs]
        worth = self._worth(references, set(said))  # a sure model draws one caption several times
        return np.array([worth[caption] for caption in said], np.float32)

    def _worth(self, references: list[list[list[str]]], said: set[Said]) -> dict[Said, float]:
        vectors = [[self.frequencies.vector(reference) for reference in own] for own in references]
        allowed = [ReferenceCounts.of(own) for own in references] if self.bleu_weight else []
        worth = {}
        for image, caption in said:
            worth[image, caption] = cider_d(vectors[image], self.frequencies.vector(caption))
            if self.bleu_weight:
                worth[image, caption] += self.bleu_weight * allowed[image].match(caption).bleu()[-1]
        return worth


def advantages(rewards: Rewards, samples: int) -> Rewards:
    """How much better each caption is than the mean of its image's other samples.

    Args:
        rewards: float32 [images * samples], an image's samples next to each other.
        samples: how many each image has.
    """
    each = rewards.reshape(-1, samples)  # [images, samples]
    others = (each.sum(axis=1, keepdims=True) - each) / (samples - 1)
    gains: Rewards = each - others
    return gains.reshape(-1)  # [images * samples]


def _spell(words: Vocabulary, ids: npt.NDArray[np.int32]) -> list[str]:
    return [words.words[index] for index in ids if index not in (PADDING, START)]
