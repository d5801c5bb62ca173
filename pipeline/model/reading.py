"""Reading a caption that is there already, word by word: how likely each word was, and where the decoder looked."""

from __future__ import annotations

from typing import Any, NamedTuple

import keras
from keras import ops

from pipeline.model.decoder import Decoder


class Reading(NamedTuple):
    """What is found at each word.

    Attributes:
        log_probabilities: float32 [n, words], of the word after those before it, natural logarithm.
        attention: [n, words, positions], where the decoder looked when it wrote the word.
    """

    log_probabilities: Any
    attention: Any


class Reader(keras.Model):  # type: ignore[misc]
    """Teacher forcing by `Decoder.step`: features [n, positions, channels] and tokens to a `Reading`.

    Tokens are int32 [n, 1 + words], beginning with `<start>`.
    """

    def __init__(self, decoder: Decoder) -> None:
        super().__init__(name="reader")
        self.decoder = decoder

    def call(self, inputs: tuple[Any, Any]) -> Reading:
        """The reading of a batch; see the class for shapes."""
        features, tokens = inputs
        seen = self.decoder.look(features)
        n, words = ops.shape(tokens)[0], ops.shape(tokens)[1] - 1

        def more(place: Any, *read: Any) -> Any:
            return place < words

        def read(place: Any, state: Any, log_probabilities: Any, attention: Any) -> tuple[Any, ...]:
            step = self.decoder.step(seen, state, ops.take(tokens, place, axis=1))
            word = ops.take(tokens, place + 1, axis=1)[:, None]  # [n, 1]
            found = ops.take_along_axis(ops.log_softmax(step.logits, axis=-1), word, axis=1)  # [n, 1]
            here = ops.arange(words) == place
            log_probabilities = ops.where(here[None], found, log_probabilities)
            attention = ops.where(here[None, :, None], step.attention[:, None], attention)
            return place + 1, step.state, log_probabilities, attention

        blank = ops.zeros((n, words)), ops.zeros((n, words, self.decoder.positions))
        loop = (ops.convert_to_tensor(0), self.decoder.initial_state(seen), *blank)
        _, _, log_probabilities, attention = ops.while_loop(more, read, loop)
        return Reading(log_probabilities, attention)
