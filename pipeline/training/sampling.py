"""Captions sampled by their probability, for the model to learn from its own."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from pipeline.model.network.decoder import Decoder, EncoderMemory
from pipeline.model.vocabulary import END, PADDING, START

_NEGATIVE_INFINITY = -1e9


def sample_captions(
    decoder: Decoder,  # run without dropout
    memory: EncoderMemory,  # n images
    samples: Any,  # captions an image, int32 scalar
    max_words: Any,  # int32 scalar; a caption that does not end within it has no `<end>`
    random: keras.random.SeedGenerator,  # its state moves on
) -> Any:
    """Captions int32 [n * samples, max_words + 2]: `<start>`, words, `<end>`, padded, an image's next to each other."""
    repeated = EncoderMemory(ops.repeat(memory.grid, samples, axis=0), ops.repeat(memory.pooled, samples, axis=0))
    rows = ops.shape(repeated.pooled)[0]
    uniform = keras.random.uniform((max_words + 1, rows), seed=random)  # one number a word

    def condition(position: Any, tokens: Any, last: Any, state: Any) -> Any:
        return ops.logical_and(position <= max_words, ops.any(last != END))

    def body(position: Any, tokens: Any, last: Any, state: Any) -> tuple[Any, ...]:
        step = decoder.step(repeated, state, last)
        word = _pick(step.logits, ops.take(uniform, position, axis=0)[:, None])
        word = ops.where(last == END, END, word)
        here = ops.arange(max_words + 2)[None] == position + 1
        return position + 1, ops.where(here, word[:, None], tokens), word, step.state

    start = ops.full((rows,), START, dtype="int32")
    tokens = ops.where(ops.arange(max_words + 2)[None] == 0, START, PADDING) + ops.zeros((rows, 1), dtype="int32")
    loop = (ops.convert_to_tensor(0), tokens, start, decoder.initial_state(repeated))
    _, tokens, _, _ = ops.while_loop(condition, body, loop)
    ended = ops.cumsum(ops.cast(tokens == END, "int32"), axis=1) - ops.cast(tokens == END, "int32") > 0
    return ops.where(ended, PADDING, tokens)


def _pick(logits: Any, uniform: Any) -> Any:
    """The word at which the cumulative probability [n, vocabulary] passes uniform [n, 1]: int32 [n]."""
    never = ops.arange(ops.shape(logits)[-1]) <= START  # padding, unknown and start come first
    cumulative = ops.cumsum(ops.softmax(ops.where(never[None], _NEGATIVE_INFINITY, logits), axis=-1), axis=-1)
    passed = ops.sum(ops.cast(cumulative <= uniform * cumulative[:, -1:], "int32"), axis=-1)
    return ops.minimum(passed, ops.shape(logits)[-1] - 1)
