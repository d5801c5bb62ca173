"""The recurrent network that writes a caption word by word and attends to the image."""

from __future__ import annotations

from typing import Any, NamedTuple

import keras
from keras import layers, ops

from pipeline.core.settings import DecoderSettings


class EncoderMemory(NamedTuple):
    """An image as the decoder attends to it."""

    grid: Any  # [n, positions, units], the keys and values of attention
    pooled: Any  # [n, units], the mean of the grid


class Step(NamedTuple):
    """One word further."""

    logits: Any  # float32 [n, vocabulary]
    state: Any  # [n, units], the GRU's new state
    attention: Any  # [n, positions], non-negative with sum 1; zeros under early fusion


class Decoder(keras.Model):  # type: ignore[misc]
    """Embedding, GRU, dot-product attention over the grid, add, layer normalisation, words.

    Late fusion is Show, Attend and Tell's order with Luong's dot-product attention (Luong, Pham and Manning, EMNLP
    2015); early fusion adds the pooled image to its state and each word (Vinyals et al., CVPR 2015); hybrid does both.
    The gate is a sentinel that attention may rest on instead of the image (Lu et al., CVPR 2017); tied words are
    written with the vectors they are read by (Press and Wolf, EACL 2017).
    """

    def __init__(self, settings: DecoderSettings, vocabulary_size: int, positions: int, channels: int) -> None:
        super().__init__(name="decoder")
        self.settings, units = settings, settings.units
        early, late = settings.fusion != "late", settings.fusion != "early"
        # What encoders give is rectified: taken as it is, a small step in all weights of one unit moves it far.
        self.centre = self.add_weight((channels,), "zeros", trainable=False, autocast=False, name="centre")
        self.spread = self.add_weight((channels,), "ones", trainable=False, autocast=False, name="spread")
        self.project = layers.Dense(units, activation="relu", name="project")
        self.place = layers.Embedding(positions, units, name="place") if settings.positions else None
        # Word vectors of unit variance: beside the image, smaller ones carry too little, and learning stalls.
        # Tied ones are kept small, so that logits are, and scaled where they are read (Vaswani et al., 2017).
        self.scale = settings.embedding**0.5 if settings.tied else 1.0
        vectors = keras.initializers.RandomNormal(stddev=1.0 / self.scale) if settings.standardised else "uniform"
        self.embed = layers.Embedding(vocabulary_size, settings.embedding, vectors, name="embed")
        self.start = layers.Dense(units, activation="tanh", name="start") if early else None
        self.tell = layers.Dense(settings.embedding, name="tell") if early else None
        self.gru = layers.GRU(units, return_sequences=True, name="gru")
        self.query = layers.Dense(units, use_bias=False, name="query") if late else None
        self.rest = layers.Dense(units, activation="tanh", name="rest") if late and settings.gate else None
        self.normalize = layers.LayerNormalization(name="normalize")
        self.drop = layers.Dropout(settings.dropout, name="drop")
        self.narrow = layers.Dense(settings.embedding, name="narrow") if settings.tied else None
        if settings.tied:
            self.bias = self.add_weight((vocabulary_size,), "zeros", autocast=False, name="bias")
        else:
            self.write = layers.Dense(vocabulary_size, dtype="float32", name="write")
        self.vocabulary_size, self.positions, self.channels = vocabulary_size, positions, channels

    def build(self, input_shape: Any = None) -> None:
        """Make the weights; their shapes follow from the constructor's arguments."""
        if not getattr(self, "built", False):
            self.built = True
            self(ops.zeros((1, self.positions, self.channels)), ops.zeros((1, 2), dtype="int32"))

    def standardise(self, features: Any) -> None:
        """Take each channel's mean and deviation from features of training images: [n, positions, channels]."""
        self.centre.assign(ops.mean(ops.cast(features, "float32"), axis=(0, 1)))
        deviation = ops.std(ops.cast(features, "float32"), axis=(0, 1))  # [channels]
        # A channel that is almost constant in training must not dominate in use.
        self.spread.assign(deviation + 0.1 * ops.mean(deviation) + 1e-6)

    def call(self, features: Any, tokens: Any, training: bool = False) -> Any:
        """Teacher forcing: [n, positions, channels], int32 [n, words] from `<start>`, to logits of each next word."""
        return self.logits(self.forward(self.encode(features, training), tokens, training)[0])

    def encode(self, features: Any, training: bool = False) -> EncoderMemory:
        """What is computed once an image: [n, positions, channels] to the grid and its mean."""
        features = (ops.cast(features, "float32") - self.centre) / self.spread
        # Dropped after the rectifier: noise before it would raise what comes out, in training only.
        grid = self.drop(self.project(features), training=training)  # [n, positions, units]
        if self.place is not None:
            grid = grid + self.place(ops.arange(self.positions))
        return EncoderMemory(grid, ops.mean(grid, axis=1))

    def initial_state(self, memory: EncoderMemory) -> Any:
        """The GRU's state before the first word: [n, units]."""
        return self.start(memory.pooled) if self.start is not None else ops.zeros_like(memory.pooled)

    def forward(self, memory: EncoderMemory, tokens: Any, training: bool = False) -> tuple[Any, Any]:
        """After each token, int32 [n, words]: hidden states [n, words, units] and attention [n, words, positions]."""
        inputs = self._inputs(memory, tokens, training)  # [n, words, embedding]
        outputs = self.gru(inputs, initial_state=self.initial_state(memory))  # [n, words, units]
        hidden, attention = self._attend(memory, outputs)
        return self.drop(hidden, training=training), attention

    def logits(self, hidden: Any, words: Any = None) -> Any:
        """Logits of the next word: hidden [.., units] to float32 [.., vocabulary], or of `words`, int32 [k], to [.., k]."""
        if self.narrow is None and words is None:
            return self.write(hidden)
        if self.narrow is None:
            weights, bias = ops.take(self.write.kernel, words, axis=1), ops.take(self.write.bias, words)
            return ops.matmul(ops.cast(hidden, "float32"), weights) + bias
        vectors, bias = self.embed.embeddings, self.bias  # [vocabulary, embedding]
        if words is not None:
            vectors, bias = ops.take(vectors, words, axis=0), ops.take(bias, words)
        vectors = ops.cast(vectors, self.compute_dtype)
        return ops.cast(ops.matmul(self.narrow(hidden), ops.transpose(vectors)), "float32") + bias

    def step(self, memory: EncoderMemory, state: Any, token: Any) -> Step:
        """Write one word further: state [n, units], token int32 [n]."""
        inputs = self._inputs(memory, token[:, None], training=False)[:, 0]  # [n, embedding]
        output, (state, *_) = self.gru.cell(inputs, [state])
        hidden, attention = self._attend(memory, output[:, None])
        return Step(self.logits(hidden[:, 0]), state, attention[:, 0])

    def _inputs(self, memory: EncoderMemory, tokens: Any, training: bool) -> Any:
        words = self.embed(tokens) * self.scale  # [n, words, embedding]
        if self.tell is not None:
            words = words + self.tell(memory.pooled)[:, None]
        return self.drop(words, training=training)

    def _attend(self, memory: EncoderMemory, outputs: Any) -> tuple[Any, Any]:
        """Add the attended part of the grid to each output: [n, words, units] and [n, words, positions]."""
        if self.query is None:
            n, words = ops.shape(outputs)[0], ops.shape(outputs)[1]
            return self.normalize(outputs), ops.zeros((n, words, self.positions))
        query = self.query(outputs) / self.settings.units**0.5
        scores = ops.einsum("nwu,npu->nwp", query, memory.grid)
        if self.rest is None:
            attention = ops.softmax(scores, axis=-1)
            return self.normalize(outputs + ops.einsum("nwp,npu->nwu", attention, memory.grid)), attention
        rest = self.rest(outputs)  # [n, words, units]
        scores = ops.concatenate([scores, ops.sum(query * rest, axis=-1, keepdims=True)], axis=-1)
        shares = ops.softmax(scores, axis=-1)  # [n, words, positions + 1]
        attention, away = shares[..., :-1], shares[..., -1:]
        return self.normalize(outputs + ops.einsum("nwp,npu->nwu", attention, memory.grid) + away * rest), attention
