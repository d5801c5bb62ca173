"""The loss a word."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf
from keras import ops

from pipeline.core.settings.training import DRAWN_WORDS, FREQUENT_WORDS

_NEGATIVE_INFINITY = -1e9


def likelihood(logits: Any, targets: Any) -> Any:
    """Natural log-probability of each word: logits [words, vocabulary], int32 [words] to float32 [words]."""
    return _of_targets(ops.log_softmax(ops.cast(logits, "float32"), axis=-1), targets)


def summed_loss(logits: Any, targets: Any, label_smoothing: float) -> Any:
    """Cross-entropy in nats: logits [words, vocabulary], int32 [words] without padding to a float32 scalar."""
    log_probabilities = ops.log_softmax(ops.cast(logits, "float32"), axis=-1)
    # A share of each target is spread evenly over all words (Szegedy et al., CVPR 2016).
    everywhere = ops.mean(log_probabilities, axis=-1)  # [words]
    smoothed = (1 - label_smoothing) * _of_targets(log_probabilities, targets) + label_smoothing * everywhere
    return -ops.sum(smoothed)


def sampled_loss(
    logits_of: Callable[[Any], Any],  # ids int32 [k] to their logits, float32 [words, k]
    vocabulary: int,
    targets: Any,
    label_smoothing: float,
    random: keras.random.SeedGenerator,  # its state moves on
    counts: tuple[int, int] = (FREQUENT_WORDS, DRAWN_WORDS),  # of the first words, fewer than all, and of the others
) -> Any:
    """An estimate of `summed_loss` by importance sampling (Bengio and Senecal, 2008).

    The first words count as they are. Of the others some are drawn evenly, and each stands for its share of them all.
    """
    frequent, drawn = counts
    rare = keras.random.randint((drawn,), frequent, vocabulary, dtype="int32", seed=random)
    said, position = tf.unique(targets)
    others = ops.concatenate([ops.arange(frequent, dtype="int32"), rare])
    stands_for = (vocabulary - frequent) / drawn  # words for each drawn one
    weights = ops.concatenate([ops.ones(frequent), ops.full((drawn,), stands_for)])
    logits = logits_of(ops.concatenate([others, said]))
    own = _of_targets(logits, frequent + drawn + position)  # [words]
    logits = logits[:, : frequent + drawn]
    # The word that is said counts once, by its own logit.
    rivals = ops.where(others[None] == targets[:, None], _NEGATIVE_INFINITY, logits + ops.log(weights))
    normalizer = ops.logsumexp(ops.concatenate([rivals, own[:, None]], axis=-1), axis=-1)
    everywhere = ops.matmul(logits, weights[:, None])[:, 0] / vocabulary  # the mean logit
    return ops.sum(normalizer - (1 - label_smoothing) * own - label_smoothing * everywhere)


def _of_targets(log_probabilities: Any, targets: Any) -> Any:
    return ops.take_along_axis(log_probabilities, targets[:, None], axis=-1)[:, 0]
