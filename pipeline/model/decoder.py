"""The recurrent network that writes a caption word by word while it looks at the picture."""

from __future__ import annotations

from typing import Any, NamedTuple

import keras
from keras import layers, ops

from pipeline.settings import DecoderSettings


class Seen(NamedTuple):
    """A picture as the decoder sees it.

    Attributes:
        grid: [n, positions, units], what attention looks at.
        gist: [n, units], the mean of the grid.
    """

    grid: Any
    gist: Any


class Step(NamedTuple):
    """One word further.

    Attributes:
        logits: float32 [n, vocabulary].
        state: [n, units], the GRU's new state.
        attention: [n, positions], non-negative with sum 1; zeros under early fusion.
    """

    logits: Any
    state: Any
    attention: Any


class Decoder(keras.Model):  # type: ignore[misc]
    """Embedding, GRU, dot-product attention over the grid, add, layer normalisation, words.

    Late fusion is Show, Attend and Tell's order with Luong's dot-product attention (Luong, Pham
    and Manning, EMNLP 2015); early fusion feeds the picture's gist to the GRU (Vinyals et al.,
    CVPR 2015); hybrid does both.
    """

    def __init__(self, settings: DecoderSettings, vocabulary_size: int, positions: int, channels: int) -> None:
        super().__init__(name="decoder")
        self.settings = settings
        units = settings.units
        self.early = settings.fusion in ("early", "hybrid")
        self.late = settings.fusion in ("late", "hybrid")
        self.project = layers.Dense(units, activation="relu", name="project")
        self.place = layers.Embedding(positions, units, name="place") if settings.positions else None
        self.embed = layers.Embedding(vocabulary_size, settings.embedding, name="embed")
        self.start = layers.Dense(units, activation="tanh", name="start") if self.early else None
        self.gru = layers.GRU(units, return_sequences=True, name="gru")
        self.query = layers.Dense(units, use_bias=False, name="query") if self.late else None
        self.normalize = layers.LayerNormalization(name="normalize")
        self.drop = layers.Dropout(settings.dropout, name="drop")
        self.write = layers.Dense(vocabulary_size, dtype="float32", name="write")
        self.vocabulary_size, self.positions, self.channels = vocabulary_size, positions, channels

    def build(self, input_shape: Any = None) -> None:
        """Make the weights; their shapes follow from the constructor's arguments."""
        if not getattr(self, "built", False):
            self.built = True
            self(ops.zeros((1, self.positions, self.channels)), ops.zeros((1, 2), dtype="int32"))

    def call(self, features: Any, tokens: Any, training: bool = False) -> Any:
        """Teacher forcing.

        Args:
            features: [n, positions, channels].
            tokens: int32 [n, words], beginning with `<start>`.
            training: whether dropout acts.

        Returns:
            float32 logits [n, words, vocabulary] of the word after each token.
        """
        seen = self.look(features, training=training)
        inputs = self._inputs(seen, tokens, training)  # [n, words, embedding (+ units)]
        outputs = self.gru(inputs, initial_state=self.initial_state(seen))  # [n, words, units]
        attended, _ = self._attend(seen, outputs)
        return self.write(self.drop(attended, training=training))

    def look(self, features: Any, training: bool = False) -> Seen:
        """What is computed once a picture: [n, positions, channels] to grid and gist."""
        # Dropped after the rectifier: noise before it would raise what comes out, in training only.
        grid = self.drop(self.project(features), training=training)  # [n, positions, units]
        if self.place is not None:
            grid = grid + self.place(ops.arange(self.positions))
        return Seen(grid, ops.mean(grid, axis=1))

    def initial_state(self, seen: Seen) -> Any:
        """The GRU's state before the first word: [n, units]."""
        return self.start(seen.gist) if self.start is not None else ops.zeros_like(seen.gist)

    def step(self, seen: Seen, state: Any, token: Any) -> Step:
        """Write one word further: state [n, units], token int32 [n]."""
        inputs = self._inputs(seen, token[:, None], training=False)[:, 0]  # [n, embedding (+ units)]
        output, (state, *_) = self.gru.cell(inputs, [state])
        attended, attention = self._attend(seen, output[:, None])
        return Step(self.write(attended[:, 0]), state, attention[:, 0])

    def _inputs(self, seen: Seen, tokens: Any, training: bool) -> Any:
        words = self.embed(tokens)  # [n, words, embedding]
        if self.early:
            gist = ops.repeat(seen.gist[:, None], ops.shape(tokens)[1], axis=1)  # [n, words, units]
            words = ops.concatenate([words, gist], axis=-1)
        return self.drop(words, training=training)

    def _attend(self, seen: Seen, outputs: Any) -> tuple[Any, Any]:
        """Add what the grid holds where each output looks: [n, words, units] and [n, words, positions]."""
        if self.query is None:
            n, words = ops.shape(outputs)[0], ops.shape(outputs)[1]
            return self.normalize(outputs), ops.zeros((n, words, self.positions))
        scores = ops.einsum("nwu,npu->nwp", self.query(outputs), seen.grid) / self.settings.units**0.5
        attention = ops.softmax(scores, axis=-1)
        return self.normalize(outputs + ops.einsum("nwp,npu->nwu", attention, seen.grid)), attention
