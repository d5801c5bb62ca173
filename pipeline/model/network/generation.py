"""Choosing words: greedy, beam search and seeded top-k sampling, each one graph over the batch."""

from __future__ import annotations

from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from pipeline.core.settings import DecodingSettings
from pipeline.model.network.decoder import Decoder, EncoderMemory
from pipeline.model.vocabulary import END, PADDING, START

_NEGATIVE_INFINITY = -1e9


class GeneratedCaptions(NamedTuple):
    """Captions of a batch, the best first."""

    tokens: Any  # int32 [n, beams, words + 1], ended by `<end>` and padded; padding alone for want of possible captions
    scores: Any  # float32 [n, beams], mean natural log-probability of words and `<end>`, rare words favoured as asked


class Generator(keras.Model):  # type: ignore[misc]
    """A decoder with a way of choosing words: features [n, positions, channels] to `GeneratedCaptions`."""

    def __init__(self, decoder: Decoder, settings: DecodingSettings, vocabulary_size: int) -> None:
        super().__init__(name="writer")
        self.decoder, self.settings, self.vocabulary_size = decoder, settings, vocabulary_size

    def call(self, features: Any) -> GeneratedCaptions:
        """Captions of a batch; see the class for shapes."""
        memory = self.decoder.encode(features)
        if self.settings.method == "sample":
            return _sample(self.decoder, memory, self.settings, self.vocabulary_size)
        width = self.settings.beam_width if self.settings.method == "beam" else 1
        return _beam(self.decoder, memory, self.settings, width, self.vocabulary_size)


def _beam(
    decoder: Decoder, memory: EncoderMemory, settings: DecodingSettings, width: int, vocabulary: int
) -> GeneratedCaptions:
    """Beam search; width 1 is greedy. Finished hypotheses stay and take padding at no cost."""
    n, length = ops.shape(memory.pooled)[0], settings.max_words + 1
    repeated = EncoderMemory(*(ops.repeat(part, width, axis=0) for part in memory))  # [n * width, ..]
    first = ops.concatenate([ops.zeros((n, 1)), ops.full((n, width - 1), _NEGATIVE_INFINITY)], axis=1)
    rows = ops.arange(n)[:, None] * width  # [n, 1], where each image's hypotheses begin

    def condition(position: Any, tokens: Any, total: Any, state: Any) -> Any:
        return _unfinished(position, length, tokens)

    def body(position: Any, tokens: Any, total: Any, state: Any) -> tuple[Any, ...]:
        last = ops.reshape(ops.take(tokens, position, axis=2), (-1,))  # [n, width] -> [n * width]
        step = decoder.step(repeated, state, last)
        gain = _log_probabilities(step.logits, position, last, settings)
        if settings.block_repeats:
            gain = gain + _repeats(ops.reshape(tokens, (-1, length + 1)), position, vocabulary)
        candidates = ops.reshape(total, (-1, 1)) + gain  # [n * width, vocabulary]
        total, best = ops.top_k(ops.reshape(candidates, (-1, width * vocabulary)), width)  # [n, width]
        parent = ops.reshape(rows + best // vocabulary, (-1,))  # [n * width]
        state = ops.take(step.state, parent, axis=0)
        kept = ops.reshape(ops.take(ops.reshape(tokens, (-1, length + 1)), parent, axis=0), (-1, width, length + 1))
        return position + 1, _write_at(kept, position + 1, best % vocabulary), total, state

    tokens = ops.pad(ops.full((n, width, 1), START, dtype="int32"), [[0, 0], [0, 0], [0, length]])
    state = decoder.initial_state(repeated)
    _, tokens, total, _ = ops.while_loop(condition, body, (ops.convert_to_tensor(0), tokens, first, state))
    return _ranked(tokens[:, :, 1:], total, settings.length_power)


def _sample(decoder: Decoder, memory: EncoderMemory, settings: DecodingSettings, vocabulary: int) -> GeneratedCaptions:
    """Sample each word from the `top_k` most probable by the Gumbel-max trick."""
    n, length = ops.shape(memory.pooled)[0], settings.max_words + 1
    k = min(settings.top_k, vocabulary)
    # Every image gets the same noise, so its caption does not depend on its neighbours.
    noise = ops.convert_to_tensor(np.random.default_rng(settings.seed).gumbel(size=(length, k)).astype("float32"))

    def condition(position: Any, tokens: Any, total: Any, state: Any) -> Any:
        return _unfinished(position, length, tokens)

    def body(position: Any, tokens: Any, total: Any, state: Any) -> tuple[Any, ...]:
        last = ops.take(tokens, position, axis=2)[:, 0]  # [n]
        step = decoder.step(memory, state, last)
        gain = _log_probabilities(step.logits, position, last, settings)
        if settings.block_repeats:
            gain = gain + _repeats(tokens[:, 0], position, vocabulary)
        log_probabilities, words = ops.top_k(gain, k)  # [n, k]
        noisy = log_probabilities / settings.temperature + ops.take(noise, position, axis=0)
        chosen = ops.argmax(noisy, axis=-1)[:, None]
        word = ops.take_along_axis(words, chosen, axis=1)  # [n, 1]
        total = total + ops.take_along_axis(log_probabilities, chosen, axis=1)
        return position + 1, _write_at(tokens, position + 1, word), total, step.state

    tokens = ops.pad(ops.full((n, 1, 1), START, dtype="int32"), [[0, 0], [0, 0], [0, length]])
    loop = (ops.convert_to_tensor(0), tokens, ops.zeros((n, 1)), decoder.initial_state(memory))
    _, tokens, total, _ = ops.while_loop(condition, body, loop)
    return _ranked(tokens[:, :, 1:], total, length_power=1.0)


def _unfinished(position: Any, length: int, tokens: Any) -> Any:
    last = ops.take(tokens, position, axis=2)
    ended = ops.all(ops.logical_or(last == END, last == PADDING))
    return ops.logical_and(position < length, ops.logical_not(ended))


def _log_probabilities(logits: Any, position: Any, last: Any, settings: DecodingSettings) -> Any:
    """Log-probabilities [m, vocabulary] of what may be written at a position after the last token [m]."""
    ids = ops.arange(ops.shape(logits)[-1])
    never = ids <= START  # padding, unknown and start come first
    too_short = ops.logical_and(position < settings.min_words, ids == END)
    overlong = ops.logical_and(position >= settings.max_words, ids != END)  # the last position allows `<end>` alone
    barred = ops.logical_or(never, ops.logical_or(too_short, overlong))
    if settings.rare_words:
        logits = logits + settings.rare_words * _rarity(ids)
    open_ended = ops.where(barred[None], _NEGATIVE_INFINITY, ops.log_softmax(logits, axis=-1))
    finished = ops.logical_or(last == END, last == PADDING)[:, None]
    return ops.where(finished, ops.where(ids == PADDING, 0.0, _NEGATIVE_INFINITY)[None], open_ended)


def _rarity(ids: Any) -> Any:
    """The rarity of each word, in nats: int32 [vocabulary] to float32; 0 for the most frequent one and for `<end>`."""
    # A model of likely captions prefers frequent words beyond the image's evidence; to add the negative logarithm of a
    # word's own probability mends that (Li et al., NAACL 2016; Menon et al., ICLR 2021). By Zipf's law that is the
    # logarithm of its rank: vocabularies are in the order of frequency, words that `training.start_from` added last.
    return ops.log(ops.maximum(ops.cast(ids - END, "float32"), 1.0))


def _repeats(tokens: Any, position: Any, vocabulary: int) -> Any:
    """Bar the last word again, and whatever has followed it before: tokens int32 [m, length] to [m, vocabulary]."""
    m, length = ops.shape(tokens)[0], ops.shape(tokens)[1]
    last = ops.take(tokens, position, axis=1)[:, None]  # [m, 1]
    unfinished = ops.logical_and(last != END, last != PADDING)
    occurs = ops.logical_and(tokens[:, :-1] == last, ops.arange(length - 1)[None] < position)  # [m, length - 1]
    followers = ops.concatenate([tokens[:, 1:], last], axis=1)  # [m, length]
    barred = ops.logical_and(ops.concatenate([occurs, ops.ones_like(last, dtype="bool")], axis=1), unfinished)
    rows = ops.repeat(ops.arange(m)[:, None], length, axis=1)
    where = ops.reshape(ops.stack([rows, followers], axis=-1), (-1, 2))  # [m * length, 2]
    return ops.scatter(where, ops.reshape(ops.where(barred, _NEGATIVE_INFINITY, 0.0), (-1,)), (m, vocabulary))


def _write_at(tokens: Any, position: Any, words: Any) -> Any:
    """Write words [n, beams] into tokens [n, beams, length] at one position."""
    here = (ops.arange(ops.shape(tokens)[-1]) == position)[None, None]
    return ops.where(here, ops.cast(words, "int32")[..., None], tokens)


def _ranked(tokens: Any, total: Any, length_power: float) -> GeneratedCaptions:
    """Order hypotheses by log-probability over length to a power; score them by the mean."""
    tokens = ops.where((total > _NEGATIVE_INFINITY / 2)[..., None], tokens, PADDING)
    length = ops.cast(ops.sum(ops.cast(tokens != PADDING, "int32"), axis=-1), "float32")  # [n, beams], `<end>` counted
    length = ops.maximum(length, 1.0)
    order = ops.argsort(-total / length**length_power, axis=-1)
    tokens = ops.take_along_axis(tokens, order[..., None], axis=1)
    return GeneratedCaptions(tokens, ops.take_along_axis(total / length, order, axis=1))
