"""Load a model version and caption images in batches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from itertools import chain, islice
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.core.errors import BundleRejected, SettingsError
from pipeline.core.settings import DecodingSettings, checked
from pipeline.model.bundle import CONFIDENCE, DECODER, ENCODER, INT8_ENGINE, REFERENCE, SETTINGS, VOCABULARY, Bundle
from pipeline.model.confidence import EVIDENCE, Confidence, evidence
from pipeline.model.int8_encoder import INT8_GRAPH, Int8Encoder
from pipeline.model.interface import Caption, PinnedModel
from pipeline.model.padded_batches import predict_padded
from pipeline.model.reference_profile import IMAGE_STATISTICS, read_reference
from pipeline.model.vocabulary import Vocabulary
from pipeline.model.vocabulary_binding import check_bound

CAPTION_BATCH = 16


class Networks(NamedTuple):
    """The parts of a model: an `Encoder`, a `Decoder` and the words of the decoder's ids."""

    encoder: Any
    decoder: Any
    vocabulary: Vocabulary


class BundleCaptioner:
    """A bundle that captions, see `Captioner`; batches of one padded shape keep captions independent of neighbours."""

    def __init__(self, bundle: Bundle, pinned: PinnedModel, decoding: Mapping[str, Any] | None = None) -> None:
        from pipeline.model.network.generation import Generator
        from pipeline.model.network.teacher_forcing import TeacherForcedScorer

        self.name, self.version, self.digest = pinned.name, pinned.version, bundle.digest
        self.engine: str = bundle.settings.engine
        self.side, self.fit = bundle.settings.pixels.side, bundle.settings.pixels.fit
        chosen = checked(DecodingSettings, bundle.settings.decoding.model_dump() | dict(decoding or {}))
        self.networks = Networks(_encoder(bundle), _decoder(bundle), bundle.vocabulary)  # what the model is made of
        decoder = self.networks.decoder
        self._generator = Generator(decoder, chosen, len(bundle.vocabulary))
        self._scorer = TeacherForcedScorer(decoder)
        self._confidence = Confidence.read(bundle.path / CONFIDENCE)
        self.reference = read_reference(bundle.path / REFERENCE)  # distributions by name; empty in older bundles

    @cached_property
    def _encoder(self) -> Any:
        """The encoder as a graph, made when the first image comes; one of 8 bits is a graph already."""
        if self.engine == INT8_ENGINE:
            return self.networks.encoder
        from pipeline.model.network.frozen import FrozenEncoder

        return FrozenEncoder(self.networks.encoder, CAPTION_BATCH)

    @cached_property
    def _writer(self) -> Any:
        """From features to tokens, scores and what the decoder says of its own words, as a graph."""
        from pipeline.model.network.frozen import frozen_writer

        return frozen_writer(self._generator, self._scorer, CAPTION_BATCH)

    @property
    def withhold_below(self) -> float:
        """Captions with less confidence are better withheld."""
        return self._confidence.withhold_below

    def caption(self, pixels: npt.NDArray[np.uint8]) -> list[Caption]:
        """Caption uint8 [n, side, side, 3] for any n: n captions in the same order."""
        whole = np.pad(
            pixels, [(0, -len(pixels) % CAPTION_BATCH), (0, 0), (0, 0), (0, 0)]
        )  # confidences, too, need whole batches
        batches = (whole[start : start + CAPTION_BATCH] for start in range(0, len(whole), CAPTION_BATCH))
        return list(islice(chain.from_iterable(map(self._caption_batch, batches)), len(pixels)))

    def pooled_embeddings(self, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """What the encoder sees of uint8 [n, side, side, 3] on the whole: float32 [n, channels], each of length 1."""
        means = predict_padded(self._encoder, CAPTION_BATCH, pixels).mean(axis=1)  # [n, channels]
        unit: npt.NDArray[np.float32] = means / np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-6)
        return unit

    def _caption_batch(self, pixels: npt.NDArray[np.uint8]) -> Iterator[Caption]:
        features = predict_padded(self._encoder, CAPTION_BATCH, pixels)
        tokens, scores, log_probabilities, entropy = predict_padded(self._writer, CAPTION_BATCH, features)
        inputs = evidence(features, log_probabilities, entropy, self._confidence.pooled_embeddings)
        for hypotheses, score, confidence, values in zip(
            tokens, scores, self._confidence.estimate(inputs), inputs, strict=True
        ):
            texts = [self.networks.vocabulary.decode(ids.tolist()) for ids in hypotheses]
            others = dict.fromkeys(text for text in texts[1:] if text and text != texts[0])
            named = dict(zip(EVIDENCE, values.tolist(), strict=True))
            statistics = {name: named[name] for name in IMAGE_STATISTICS}
            yield Caption(texts[0], float(score[0]), tuple(others), float(confidence), image_statistics=statistics)


def _encoder(bundle: Bundle) -> Any:
    """The bundle's encoder; BundleRejected if it gives other features than the decoder reads."""
    settings, encoder = bundle.settings, _any_encoder(bundle)
    facts = encoder.facts
    shape = facts.positions, facts.channels
    if (facts.side, *shape) != (settings.pixels.side, settings.positions, settings.channels):
        raise BundleRejected(
            f"{bundle.path / SETTINGS} gives {settings.encoder} {settings.positions} positions and "
            f"{settings.channels} channels, but at side {facts.side} it has {shape[0]} and {shape[1]}"
        )
    return encoder


def _any_encoder(bundle: Bundle) -> Any:
    from pipeline.model.network.encoder import build_encoder

    settings, side = bundle.settings, bundle.settings.pixels.side
    if settings.engine == INT8_ENGINE:
        return Int8Encoder(bundle.path / INT8_GRAPH, settings.encoder, CAPTION_BATCH)
    try:
        return build_encoder(settings.encoder, bundle.path / ENCODER, side)
    except (SettingsError, ValueError) as error:  # the latter is Keras': a side too small for the network
        raise BundleRejected(f"{bundle.path / ENCODER} does not fit {SETTINGS}: {error}") from error


def _decoder(bundle: Bundle) -> Any:
    from pipeline.model.network.decoder import Decoder

    settings = bundle.settings
    decoder = Decoder(settings.decoder, len(bundle.vocabulary), settings.positions, settings.channels)
    decoder.build()
    try:
        decoder.load_weights(bundle.path / DECODER)
    except (OSError, ValueError, KeyError) as error:
        reason = " ".join(str(error).split())[:200]
        raise BundleRejected(f"{bundle.path / DECODER} does not fit {SETTINGS} and {VOCABULARY}: {reason}") from error
    check_bound(bundle.path / DECODER, bundle.path / VOCABULARY, settings.bound)
    return decoder
