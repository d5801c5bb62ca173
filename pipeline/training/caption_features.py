"""Captions from features that were extracted already, to choose an epoch and to judge a model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from pipeline.model.interface import Caption
from pipeline.model.vocabulary import Vocabulary
from pipeline.training.features import FeatureStore

if TYPE_CHECKING:
    from pipeline.model.network.generation import Generator

FEATURE_BATCH = 64


def caption_features(
    generator: Generator, words: Vocabulary, features: FeatureStore, shas: Sequence[str]
) -> list[Caption]:
    """The best caption of each image, named by its digest, in batches of one padded shape."""
    captions: list[Caption] = []
    for start in range(0, len(shas), FEATURE_BATCH):
        grid = features.gather(shas[start : start + FEATURE_BATCH])  # [n, positions, channels]
        padded = np.pad(grid, [(0, FEATURE_BATCH - len(grid)), (0, 0), (0, 0)])
        tokens, scores = generator.predict_on_batch(padded.astype(np.float32))
        best = zip(np.asarray(tokens)[: len(grid), 0], np.asarray(scores)[: len(grid), 0], strict=True)
        captions += [Caption(words.decode(ids.tolist()), float(score)) for ids, score in best]
    return captions
