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
from pipeline.model.confidence import Confidence, Gists, Reals, evidence
from pipeline.model.vocabulary import PADDING
from pipeline.training.features import FeatureStore
from pipeline.training.refine import load_decoder
from pipeline.training.run import TrainingRun

BATCH = 32


class Told(NamedTuple):
    """Captions of some images.

    Attributes:
        captions: the texts.
        evidence: float [n, inputs], see `pipeline.model.confidence.evidence`.
    """

    captions: list[str]
    evidence: Reals


class Teller:
    """A run's decoder, for features float [n, positions, channels] of any n, in batches of one padded shape."""

    def __init__(self, run: TrainingRun, gists: Gists) -> None:
        from pipeline.model.network.generation import Writer
        from pipeline.model.network.teacher_forcing import Reader

        decoder, self._words = load_decoder(run)
        self._writer = Writer(decoder, run.settings.decoding, len(self._words))
        self._reader = Reader(decoder)
        self._gists = gists

    def tell(self, features: npt.NDArray[Any]) -> Told:
        """Caption images."""
        parts = []
        for start in range(0, len(features), BATCH):
            batch = features[start : start + BATCH]
            tokens, _ = self._writer.predict_on_batch(_padded(batch))
            best = np.asarray(tokens)[: len(batch), 0]  # [n, words]
            parts.append(Told([self._words.decode(ids.tolist()) for ids in best], self._judge(batch, best)))
        return joined(parts)

    def judge(self, features: npt.NDArray[Any], captions: Sequence[str]) -> Reals:
        """The evidence for captions that it gave these images before: float [n, inputs]."""
        most = self._writer.settings.max_words
        tokens = np.full((len(captions), most + 1), PADDING, np.int32)
        for row, caption in zip(tokens, captions, strict=True):
            ids = self._words.encode(caption, most)[1:]  # without `<start>`
            row[: len(ids)] = ids
        cuts = range(0, len(features), BATCH)
        return np.concatenate([self._judge(features[at : at + BATCH], tokens[at : at + BATCH]) for at in cuts])

    def _judge(self, features: npt.NDArray[Any], tokens: npt.NDArray[np.int32]) -> Reals:
        read = self._reader.predict_on_batch((_padded(features), _padded(tokens)))
        likely, entropy = (np.asarray(item)[: len(features)] for item in (read.likely, read.entropy))
        return evidence(features, likely, entropy, self._gists)


def _padded(rows: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """A whole batch; features as float32."""
    whole = np.pad(rows, [(0, BATCH - len(rows)), *[(0, 0)] * (rows.ndim - 1)])
    return whole.astype(np.float32) if rows.ndim > 2 else whole


def joined(parts: Sequence[Told]) -> Told:
    """Several one after the other."""
    return Told([text for part in parts for text in part.captions], np.concatenate([part.evidence for part in parts]))


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
    teller, features = Teller(run, confidence.gists), FeatureStore.of(run)
    shas = run.accepted.images_of(split).set_index("image")["sha256"].loc[list(captions)].to_list()
    texts, cuts = list(captions.values()), range(0, len(shas), BATCH)
    parts = [teller.judge(features.gather(shas[at : at + BATCH]), texts[at : at + BATCH]) for at in cuts]
    return [float(value) for value in confidence.estimate(np.concatenate(parts))]


def cider_d_of(references: Mapping[str, list[str]], images: list[str], captions: list[str]) -> Reals:
    """CIDEr-D of some images' captions, with document frequencies of all the references: float [n]."""
    frequencies = DocumentFrequencies.of([[tokenize(text) for text in texts] for texts in references.values()])
    own = {image: references[image] for image in images}
    report = score_captions(own, dict(zip(images, captions, strict=True)), meteor=False, frequencies=frequencies)
    return np.array([report.per_image[image]["cider_d"] for image in images])


def tell_clean(run: TrainingRun, teller: Teller, images: pd.DataFrame) -> Told:
    """What is said of images as they are."""
    features, shas = FeatureStore.of(run), list(images["sha256"])
    return joined([teller.tell(features.gather(shas[at : at + BATCH])) for at in range(0, len(shas), BATCH)])


def tell_degraded(run: TrainingRun, teller: Teller, images: pd.DataFrame, kinds: Sequence[str]) -> dict[str, Told]:
    """What is said of images after each way to degrade them; `images` as `sample` gives them."""
    from pipeline.training.encoder_stage import load_encoder

    encoder = load_encoder(run.output("encoder"))
    parts: dict[str, list[Told]] = {kind: [] for kind in kinds}
    for shas, squares in _squares(run, images, encoder.facts.side):
        for kind in kinds:
            spoiled = np.stack([degrade(kind, square, sha) for square, sha in zip(squares, shas, strict=True)])
            parts[kind].append(teller.tell(_encoded(encoder, spoiled)))
    return {kind: joined(told) for kind, told in parts.items()}


def _squares(
    run: TrainingRun, images: pd.DataFrame, side: int
) -> Iterator[tuple[list[str], list[npt.NDArray[np.uint8]]]]:
    """Digests and pixels in the images' order, a batch at a time."""
    for start in range(0, len(images), BATCH):
        batch = images.iloc[start : start + BATCH]
        fit = run.settings.encoder.fit
        found = {sha: pixels(data, side, fit, run.limits) for sha, data in read_images(run.source, batch)}
        yield list(batch["sha256"]), [found[sha] for sha in batch["sha256"]]


def _encoded(encoder: Any, squares: npt.NDArray[np.uint8]) -> npt.NDArray[np.float16]:
    """As extract_features keeps them: float16 [n, positions, channels]."""
    whole = np.pad(squares, [(0, BATCH - len(squares)), (0, 0), (0, 0), (0, 0)])
    return np.asarray(encoder.predict_on_batch(whole))[: len(squares)].astype(np.float16)
