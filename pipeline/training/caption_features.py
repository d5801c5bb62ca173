"""Captions from extracted features, to choose an epoch and to evaluate a model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from pipeline.model.interface import Caption
from pipeline.model.padded_batches import predict_padded
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
    for batch in features.batches(shas, FEATURE_BATCH):
        tokens, scores = predict_padded(generator, FEATURE_BATCH, batch.astype(np.float32))
        best = zip(tokens[:, 0], scores[:, 0], strict=True)
        captions += [Caption(words.decode(ids.tolist()), float(score)) for ids, score in best]
    return captions
