"""Teacher forcing: the probability of each word of a given caption, and the decoder's attention."""

from __future__ import annotations

from typing import Any, NamedTuple

import keras
from keras import ops

from pipeline.model.network.decoder import Decoder
from pipeline.model.vocabulary import PADDING, START


class CaptionScores(NamedTuple):
    """Of each word, given the words before it; 0 on padding."""

    log_probabilities: Any  # float32 [n, words], the word's natural log-probability
    entropy: Any  # float32 [n, words], of the word's distribution, in nats
    attention: Any  # [n, words, positions], of the decoder at the word


class TeacherForcedScorer(keras.Model):  # type: ignore[misc]
    """Features [n, positions, channels] and tokens int32 [n, words], without `<start>` and padded, to a `CaptionScores`."""

    def __init__(self, decoder: Decoder) -> None:
        super().__init__(name="reader")
        self.decoder = decoder

    def call(self, inputs: tuple[Any, Any]) -> CaptionScores:
        """Score the captions of a batch; see the class for shapes."""
        features, tokens = inputs
        before = ops.pad(tokens[:, :-1], [[0, 0], [1, 0]], constant_values=START)
        hidden, attention = self.decoder.forward(self.decoder.encode(features), before)
        log_probabilities = ops.log_softmax(self.decoder.logits(hidden), axis=-1)  # [n, words, vocabulary]
        real = ops.cast(tokens != PADDING, "float32")
        chosen = ops.take_along_axis(log_probabilities, tokens[..., None], axis=2)[..., 0]
        entropy = -ops.sum(ops.exp(log_probabilities) * log_probabilities, axis=-1)
        return CaptionScores(chosen * real, entropy * real, ops.cast(attention, "float32") * real[..., None])
