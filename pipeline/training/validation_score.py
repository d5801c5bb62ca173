"""How good an epoch is on the split that chooses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING

import numpy as np

from pipeline.data.snapshot import Snapshot
from pipeline.metrics.scores import score_captions
from pipeline.model.vocabulary import Vocabulary
from pipeline.training.batches import Examples
from pipeline.training.caption_features import caption_features
from pipeline.training.features import FeatureStore

if TYPE_CHECKING:
    from pipeline.training.trainer import Trainer

MOST_DANGLING, MOST_REPEATED = 0.02, 0.01  # of greedy captions; twice what is asked of the beam's


@dataclass(frozen=True)
class ValidationScore:
    """An epoch's worth on validation images."""

    cider_d: float  # mean of greedy captions, in 0..10
    error: float  # its standard error over the images
    loss: float  # nats a word, which decides between equal captions
    dangling: float  # share of captions that break off, see `Health`
    repeated: float  # share of captions that repeat themselves, see `Health`

    @property
    def whole(self) -> bool:
        """Whether captions are whole sentences; a broken model may earn a higher CIDEr-D, and must not win."""
        return self.dangling <= MOST_DANGLING and self.repeated <= MOST_REPEATED

    def better_than(self, other: ValidationScore, whole_first: bool) -> bool:
        """By CIDEr-D, then the loss; perhaps by `whole` before both."""
        mine, theirs = ((item.cider_d, -item.loss) for item in (self, other))
        return (self.whole, *mine) > (other.whole, *theirs) if whole_first else mine > theirs

    def keeps_up_with(self, best: ValidationScore, whole_first: bool, tolerance: float) -> bool:
        """Whether it is no worse than the best but for so many of its standard errors."""
        if whole_first and self.whole != best.whole:
            return self.whole
        return self.cider_d >= best.cider_d - tolerance * best.error

    def as_dict(self) -> dict[str, float]:
        """By name, as in the curves."""
        return {f"val_{name}": value for name, value in asdict(self).items()}

    @classmethod
    def of(cls, row: Mapping[str, float]) -> ValidationScore:
        """From a row of the curves."""
        return cls(**{field.name: row[f"val_{field.name}"] for field in fields(cls)})


@dataclass(frozen=True)
class ValidationSet:
    """The validation split: its pairs for the loss; by the image's name every caption, and the image's digest."""

    examples: Examples
    references: Mapping[str, list[str]]
    shas: Mapping[str, str]
    words: Vocabulary

    @classmethod
    def of(cls, snapshot: Snapshot, words: Vocabulary, features: FeatureStore, max_words: int) -> ValidationSet:
        """The validation split of what was accepted."""
        images = snapshot.images_of("val")
        examples = Examples.of(snapshot, "val", words, [features], max_words)
        shas = dict(zip(images["image"], images["sha256"], strict=True))
        return cls(examples, snapshot.references("val"), shas, words)

    def score(self, trainer: Trainer, batch_size: int) -> ValidationScore:
        """Score the decoder as it is now."""
        captions = caption_features(trainer.generator, self.words, self.examples.views[0], list(self.shas.values()))
        texts = {image: caption.text for image, caption in zip(self.shas, captions, strict=True)}
        report = score_captions(self.references, texts, meteor=False)
        each = [scores["cider_d"] for scores in report.per_image.values()]
        losses = np.array([trainer.loss(batch) for batch in self.examples.batches(batch_size, 0, 0)])
        loss, words = losses.sum(axis=0)
        return ValidationScore(
            cider_d=float(report.scores["cider_d"] or 0.0),
            error=float(np.std(each) / len(each) ** 0.5),
            loss=float(loss / words),
            dangling=report.health.dangling,
            repeated=report.health.repeated,
        )
