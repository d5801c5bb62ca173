"""A finished caption read again, word by word, beside the picture."""

from __future__ import annotations

from typing import Any, NamedTuple

import keras
from keras import ops

from pipeline.model.decoder import Decoder
from pipeline.vocabulary import PADDING, START


class Reread(NamedTuple):
    """How sure the decoder was at each word, given the words before it; 0 on padding.

    Attributes:
        likely: float32 [n, words], the word's natural log-probability.
        entropy: float32 [n, words], of the distribution it was chosen from, in nats.
    """

    likely: Any
    entropy: Any


class Hindsight(keras.Model):  # type: ignore[misc]
    """Features [n, positions, channels] and tokens int32 [n, words], ended by `<end>` and padded, to `Reread`."""

    def __init__(self, decoder: Decoder) -> None:
        super().__init__(name="hindsight")
        self.decoder = decoder

    def call(self, inputs: tuple[Any, Any]) -> Reread:
        """Read captions of a batch; see the class for shapes."""
        features, tokens = inputs
        before = ops.pad(tokens[:, :-1], [[0, 0], [1, 0]], constant_values=START)
        likely = ops.log_softmax(self.decoder(features, before), axis=-1)  # [n, words, vocabulary]
        chosen = ops.take_along_axis(likely, tokens[..., None], axis=2)[..., 0]
        entropy = -ops.sum(ops.exp(likely) * likely, axis=-1)
        return Reread(*(ops.where(tokens == PADDING, 0.0, values) for values in (chosen, entropy)))
