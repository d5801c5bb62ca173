"""The trained decoder's captions of images, as they are and degraded, and the evidence for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from functools import partial
from itertools import chain, islice
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.data.snapshot import read_images
from pipeline.evaluation.corruptions import Pixels, degrade
from pipeline.imaging.sandbox import Work, pixels_of_each
from pipeline.metrics.cider import DocumentFrequencies
from pipeline.metrics.scores import score_captions
from pipeline.metrics.tokenizer import tokenize
from pipeline.model.bundle import CONFIDENCE
from pipeline.model.confidence import Confidence, PooledEmbeddings, Reals, evidence
from pipeline.model.padded_batches import predict_padded
from pipeline.model.vocabulary import PADDING
from pipeline.storage.tables.corrections import CORRECTED
from pipeline.training.features import FeatureStore
from pipeline.training.refine import load_decoder
from pipeline.training.run import TrainingRun

INFERENCE_BATCH = 32


class Predictions(NamedTuple):
    """Captions of some images, and the evidence for them, see `pipeline.model.confidence.evidence`."""

    captions: list[str]
    evidence: Reals  # [n, inputs]


class Predictor:
    """A run's decoder, for features float [n, positions, channels] of any n, in batches of one padded shape."""

    def __init__(self, run: TrainingRun, pooled_embeddings: PooledEmbeddings) -> None:
        from pipeline.model.network.generation import Generator
        from pipeline.model.network.teacher_forcing import TeacherForcedScorer

        decoder, self._words = load_decoder(run)
        self._generator = Generator(decoder, run.settings.decoding, len(self._words))
        self._scorer = TeacherForcedScorer(decoder)
        self._pooled_embeddings = pooled_embeddings

    def predict(self, features: npt.NDArray[Any]) -> Predictions:
        """Caption images."""
        tokens, _ = predict_padded(self._generator, INFERENCE_BATCH, features.astype(np.float32))
        best = tokens[:, 0]  # [n, words]
        return Predictions([self._words.decode(ids.tolist()) for ids in best], self._evidence(features, best))

    def evidence_for(self, features: npt.NDArray[Any], captions: Sequence[str]) -> Reals:
        """The evidence for captions that it gave these images before: float [n, inputs]."""
        most = self._generator.settings.max_words
        tokens = np.full((len(captions), most + 1), PADDING, np.int32)
        for row, caption in zip(tokens, captions, strict=True):
            ids = self._words.encode(caption, most)[1:]  # without `<start>`
            row[: len(ids)] = ids
        return self._evidence(features, tokens)

    def _evidence(self, features: npt.NDArray[Any], tokens: npt.NDArray[np.int32]) -> Reals:
        scores = predict_padded(self._scorer, INFERENCE_BATCH, features.astype(np.float32), tokens)
        log_probabilities, entropy, _ = scores
        return evidence(features, log_probabilities, entropy, self._pooled_embeddings)


def _concatenated(parts: Sequence[Predictions]) -> Predictions:
    captions = [text for part in parts for text in part.captions]
    return Predictions(captions, np.concatenate([part.evidence for part in parts]))


def unpicked(run: TrainingRun, split: str) -> pd.DataFrame:
    """The images of a split that nobody chose to correct, as those are harder than what nights see; else all."""
    images = run.accepted.images_of(split)
    chosen = images["image"].str.startswith(CORRECTED)
    return images if chosen.all() else images[~chosen]


def sample(run: TrainingRun, split: str) -> pd.DataFrame:
    """The different images of `unpicked` with the lowest digests, at most `evaluation.images`, in their order."""
    images = unpicked(run, split).drop_duplicates("sha256").sort_values("sha256")
    return images.head(run.settings.evaluation.images)


def load_confidence(run: TrainingRun) -> Confidence:
    """The result of the stage `calibrate`."""
    return Confidence.read(run.output("calibrate").path / CONFIDENCE)


def confidences(run: TrainingRun, split: str, captions: Mapping[str, str]) -> list[float]:
    """The confidence of each caption that the decoder gave to an image of a split, in the captions' order."""
    confidence = load_confidence(run)
    predictor, features = Predictor(run, confidence.pooled_embeddings), FeatureStore.of(run)
    shas = run.accepted.images_of(split).set_index("image")["sha256"].loc[list(captions)].to_list()
    texts = iter(captions.values())
    batches = features.batches(shas, INFERENCE_BATCH)
    parts = [predictor.evidence_for(batch, list(islice(texts, len(batch)))) for batch in batches]
    return [float(value) for value in confidence.estimate(np.concatenate(parts))]


def cider_d_of(references: Mapping[str, list[str]], images: list[str], captions: list[str]) -> Reals:
    """CIDEr-D of some images' captions, with document frequencies of all the references: float [n]."""
    frequencies = DocumentFrequencies.of([[tokenize(text) for text in texts] for texts in references.values()])
    own = {image: references[image] for image in images}
    report = score_captions(own, dict(zip(images, captions, strict=True)), meteor=False, frequencies=frequencies)
    return np.array([report.per_image[image]["cider_d"] for image in images])


def predict_clean(run: TrainingRun, predictor: Predictor, images: pd.DataFrame) -> Predictions:
    """Captions of images as they are."""
    batches = FeatureStore.of(run).batches(list(images["sha256"]), INFERENCE_BATCH)
    return _concatenated([predictor.predict(batch) for batch in batches])


def predict_degraded(
    run: TrainingRun, predictor: Predictor, images: pd.DataFrame, kinds: Sequence[str]
) -> dict[str, Predictions]:
    """Captions of images after each way to degrade them; `images` as `sample` gives them."""
    from pipeline.training.encoder_stage import load_frozen_encoder

    encoder = load_frozen_encoder(run.output("encoder"), INFERENCE_BATCH)
    return predict_seen(run, predictor, images, {kind: (encoder, partial(degrade, kind)) for kind in kinds})


def predict_seen(
    run: TrainingRun,
    predictor: Predictor,
    images: pd.DataFrame,
    ways: Mapping[str, tuple[Any, Callable[[Pixels, str], Pixels]]],
) -> dict[str, Predictions]:
    """Captions of images for each way to see them: an encoder, and what becomes of pixels before, given the digest."""
    side = next(encoder.facts.side for encoder, _ in ways.values())
    work = Work.within(run.limits, side, run.settings.encoder.fit)
    parts: dict[str, list[Predictions]] = {name: [] for name in ways}
    batches = [images.iloc[start : start + INFERENCE_BATCH] for start in range(0, len(images), INFERENCE_BATCH)]
    photographs = chain.from_iterable(read_images(run.source, batch) for batch in batches)
    with closing(pixels_of_each(photographs, work)) as squares:
        for batch in batches:
            decoded = dict(islice(squares, len(batch)))
            for name, (encoder, change) in ways.items():
                pixels = np.stack([change(decoded[sha], sha) for sha in batch["sha256"]])
                features = predict_padded(encoder, INFERENCE_BATCH, pixels)
                parts[name].append(predictor.predict(features.astype(np.float16)))  # as extract_features keeps them
    return {name: _concatenated(predictions) for name, predictions in parts.items()}
