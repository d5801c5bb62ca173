"""Captions without a model: people's captions of similar images (Devlin et al., 2015, arXiv:1505.04467)."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

import numpy as np
import numpy.typing as npt

from pipeline.metrics.cider import DocumentFrequencies, Vector, cider_d
from pipeline.metrics.tokenizer import tokenize
from pipeline.training.features import FeatureStore
from pipeline.training.run import TrainingRun

NEIGHBOURS = 30
AGREEING = 60  # of their captions, how many a caption must be like


def consensus_captions(run: TrainingRun) -> dict[str, str]:
    """For each test image the caption of its nearest training images that is most like the others."""
    references = run.accepted.references("train")
    names = list(references)
    tokens = {image: [tokenize(text) for text in texts] for image, texts in references.items()}
    frequencies = DocumentFrequencies.of(tokens.values())
    vectors = {image: [frequencies.vector(each) for each in own] for image, own in tokens.items()}
    nearness = _pooled(run, "test") @ _pooled(run, "train").T  # [test, train]
    captions = {}
    for image, row in zip(run.accepted.images_of("test")["image"], nearness, strict=True):
        near = [names[index] for index in np.argsort(-row)[:NEIGHBOURS]]
        texts = [text for name in near for text in references[name]]
        captions[image] = texts[_most_agreeing([vector for name in near for vector in vectors[name]])]
    return captions


def _most_agreeing(vectors: Sequence[Vector]) -> int:
    """The place of the caption whose best likenesses to the others are highest on average."""
    likeness = [
        fmean(sorted((cider_d([other], one) for other in vectors if other is not one), reverse=True)[:AGREEING])
        for one in vectors
    ]
    return int(np.argmax(likeness))


def _pooled(run: TrainingRun, split: str) -> npt.NDArray[np.float32]:
    """Mean features of unit length, in the order of the split's images: float32 [images, channels]."""
    store = FeatureStore.of(run)
    shas = run.accepted.images_of(split)["sha256"]
    pooled = np.stack([store.gather([sha])[0].astype(np.float32).mean(axis=0) for sha in shas])
    return pooled / np.linalg.norm(pooled, axis=1, keepdims=True)
