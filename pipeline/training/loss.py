"""The loss a word."""

from __future__ import annotations

from typing import Any

from keras import ops


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


def _of_targets(log_probabilities: Any, targets: Any) -> Any:
    return ops.take_along_axis(log_probabilities, targets[:, None], axis=-1)[:, 0]
