"""What the trained decoder says of images as they are and of degraded ones, and the evidence for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.data.snapshot import read_images
from pipeline.evaluation.corruptions import degrade
from pipeline.imaging.decode import pixels
from pipeline.metrics.cider import DocumentFrequencies
from pipeline.metrics.scores import score_captions
from pipeline.metrics.tokenizer import tokenize
from pipeline.model.bundle import CONFIDENCE
from pipeline.model.confidence import Confidence, PooledEmbeddings, Reals, evidence
from pipeline.model.vocabulary import PADDING
from pipeline.training.features import FeatureStore
from pipeline.training.refine import load_decoder
from pipeline.training.run import TrainingRun

INFERENCE_BATCH = 32


class Predictions(NamedTuple):
    """Captions of some images.

    Attributes:
        captions: the texts.
        evidence: float [n, inputs], see `pipeline.model.confidence.evidence`.
    """

    captions: list[str]
    evidence: Reals


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
        parts = []
        for start in range(0, len(features), INFERENCE_BATCH):
            batch = features[start : start + INFERENCE_BATCH]
            tokens, _ = self._generator.predict_on_batch(_padded(batch))
            best = np.asarray(tokens)[: len(batch), 0]  # [n, words]
            parts.append(Predictions([self._words.decode(ids.tolist()) for ids in best], self._evidence(batch, best)))
        return concatenated(parts)

    def evidence_for(self, features: npt.NDArray[Any], captions: Sequence[str]) -> Reals:
        """The evidence for captions that it gave these images before: float [n, inputs]."""
        most = self._generator.settings.max_words
        tokens = np.full((len(captions), most + 1), PADDING, np.int32)
        for row, caption in zip(tokens, captions, strict=True):
            ids = self._words.encode(caption, most)[1:]  # without `<start>`
            row[: len(ids)] = ids
        cuts = range(0, len(features), INFERENCE_BATCH)
        return np.concatenate(
            [self._evidence(features[at : at + INFERENCE_BATCH], tokens[at : at + INFERENCE_BATCH]) for at in cuts]
        )

    def _evidence(self, features: npt.NDArray[Any], tokens: npt.NDArray[np.int32]) -> Reals:
        read = self._scorer.predict_on_batch((_padded(features), _padded(tokens)))
        likely, entropy = (np.asarray(item)[: len(features)] for item in (read.log_probabilities, read.entropy))
        return evidence(features, likely, entropy, self._pooled_embeddings)


def _padded(rows: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """A whole batch; features as float32."""
    whole = np.pad(rows, [(0, INFERENCE_BATCH - len(rows)), *[(0, 0)] * (rows.ndim - 1)])
    return whole.astype(np.float32) if rows.ndim > 2 else whole


def concatenated(parts: Sequence[Predictions]) -> Predictions:
    """Several one after the other."""
    return Predictions(
        [text for part in parts for text in part.captions], np.concatenate([part.evidence for part in parts])
    )


def sample(run: TrainingRun, split: str) -> pd.DataFrame:
    """The different images of a split with the lowest digests, at most `evaluation.images`, in their order."""
    images = run.accepted.images_of(split).drop_duplicates("sha256").sort_values("sha256")
    return images.head(run.settings.evaluation.images)


def load_confidence(run: TrainingRun) -> Confidence:
    """What the stage calibrate found."""
    return Confidence.read(run.output("calibrate").path / CONFIDENCE)


def confidences(run: TrainingRun, split: str, captions: Mapping[str, str]) -> list[float]:
    """The confidence of each caption that the decoder gave to an image of a split, in the captions' order."""
    confidence = load_confidence(run)
    predictor, features = Predictor(run, confidence.pooled_embeddings), FeatureStore.of(run)
    shas = run.accepted.images_of(split).set_index("image")["sha256"].loc[list(captions)].to_list()
    texts, cuts = list(captions.values()), range(0, len(shas), INFERENCE_BATCH)
    parts = [
        predictor.evidence_for(features.gather(shas[at : at + INFERENCE_BATCH]), texts[at : at + INFERENCE_BATCH])
        for at in cuts
    ]
    return [float(value) for value in confidence.estimate(np.concatenate(parts))]


def cider_d_of(references: Mapping[str, list[str]], images: list[str], captions: list[str]) -> Reals:
    """CIDEr-D of some images' captions, with document frequencies of all the references: float [n]."""
    frequencies = DocumentFrequencies.of([[tokenize(text) for text in texts] for texts in references.values()])
    own = {image: references[image] for image in images}
    report = score_captions(own, dict(zip(images, captions, strict=True)), meteor=False, frequencies=frequencies)
    return np.array([report.per_image[image]["cider_d"] for image in images])


def predict_clean(run: TrainingRun, predictor: Predictor, images: pd.DataFrame) -> Predictions:
    """What is said of images as they are."""
    features, shas = FeatureStore.of(run), list(images["sha256"])
    return concatenated(
        [
            predictor.predict(features.gather(shas[at : at + INFERENCE_BATCH]))
            for at in range(0, len(shas), INFERENCE_BATCH)
        ]
    )


def predict_degraded(
    run: TrainingRun, predictor: Predictor, images: pd.DataFrame, kinds: Sequence[str]
) -> dict[str, Predictions]:
    """What is said of images after each way to degrade them; `images` as `sample` gives them."""
    from pipeline.training.encoder_stage import load_encoder

    encoder = load_encoder(run.output("encoder"))
    parts: dict[str, list[Predictions]] = {kind: [] for kind in kinds}
    for shas, squares in _squares(run, images, encoder.facts.side):
        for kind in kinds:
            spoiled = np.stack([degrade(kind, square, sha) for square, sha in zip(squares, shas, strict=True)])
            parts[kind].append(predictor.predict(_encoded(encoder, spoiled)))
    return {kind: concatenated(told) for kind, told in parts.items()}


def _squares(
    run: TrainingRun, images: pd.DataFrame, side: int
) -> Iterator[tuple[list[str], list[npt.NDArray[np.uint8]]]]:
    """Digests and pixels in the images' order, a batch at a time."""
    for start in range(0, len(images), INFERENCE_BATCH):
        batch = images.iloc[start : start + INFERENCE_BATCH]
        fit = run.settings.encoder.fit
        found = {sha: pixels(data, side, fit, run.limits) for sha, data in read_images(run.source, batch)}
        yield list(batch["sha256"]), [found[sha] for sha in batch["sha256"]]


def _encoded(encoder: Any, squares: npt.NDArray[np.uint8]) -> npt.NDArray[np.float16]:
    """As extract_features keeps them: float16 [n, positions, channels]."""
    whole = np.pad(squares, [(0, INFERENCE_BATCH - len(squares)), (0, 0), (0, 0), (0, 0)])
    return np.asarray(encoder.predict_on_batch(whole))[: len(squares)].astype(np.float16)
