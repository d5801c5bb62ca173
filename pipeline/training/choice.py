"""How good an epoch is on the split that chooses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from pipeline.features import FeatureStore
from pipeline.metrics.scores import score_captions
from pipeline.snapshot import Snapshot
from pipeline.training.captioning import caption_features
from pipeline.training.examples import Examples
from pipeline.vocabulary import Vocabulary

if TYPE_CHECKING:
    from pipeline.training.step import Fitter


class Quality(NamedTuple):
    """An epoch's worth; a larger tuple is better.

    Attributes:
        cider_d: of greedy captions, in 0..10.
        negative_loss: minus the loss in nats a word, which decides between equal captions.
    """

    cider_d: float
    negative_loss: float


@dataclass(frozen=True)
class Choice:
    """The validation split.

    Attributes:
        examples: its pairs, for the loss.
        references: every caption of each of its pictures, by the picture's name.
        shas: the digest of each picture, by name.
        words: the vocabulary.
    """

    examples: Examples
    references: Mapping[str, list[str]]
    shas: Mapping[str, str]
    words: Vocabulary

    @classmethod
    def of(cls, snapshot: Snapshot, words: Vocabulary, features: FeatureStore, max_words: int) -> Choice:
        """The validation split of what was accepted."""
        images = snapshot.images_of("val")
        examples = Examples.of(snapshot, "val", words, features, max_words)
        shas = dict(zip(images["image"], images["sha256"], strict=True))
        return cls(examples, snapshot.references("val"), shas, words)

    def judge(self, fitter: Fitter, batch_size: int) -> Quality:
        """Score the decoder as it is now."""
        return Quality(self._cider_d(fitter), -self._loss(fitter, batch_size))

    def _loss(self, fitter: Fitter, batch_size: int) -> float:
        totals = np.array([fitter.judge(batch) for batch in self.examples.batches(batch_size, 0, 0)])
        loss, words = totals.sum(axis=0)
        return float(loss / words)

    def _cider_d(self, fitter: Fitter) -> float:
        captions = caption_features(fitter.writer, self.words, self.examples.features, list(self.shas.values()))
        texts = {image: caption.text for image, caption in zip(self.shas, captions, strict=True)}
        return float(score_captions(self.references, texts, meteor=False).scores["cider_d"] or 0.0)
