"""The loss a word, padding left out."""

from __future__ import annotations

from typing import Any

from keras import ops

from pipeline.vocabulary import PADDING


def summed_loss(logits: Any, targets: Any, label_smoothing: float) -> tuple[Any, Any]:
    """Cross-entropy in nats summed over all words and `<end>`s, and how many there are.

    Args:
        logits: float32 [n, words, vocabulary].
        targets: int32 [n, words], padded.
        label_smoothing: share of the target spread evenly over all words (Szegedy et al., CVPR 2016).

    Returns:
        Two float32 scalars; their quotient is the mean loss a word.
    """
    log_probabilities = ops.log_softmax(ops.cast(logits, "float32"), axis=-1)
    likelihood = ops.take_along_axis(log_probabilities, targets[..., None], axis=-1)[..., 0]  # [n, words]
    smoothed = (1 - label_smoothing) * likelihood + label_smoothing * ops.mean(log_probabilities, axis=-1)
    real = ops.cast(targets != PADDING, "float32")
    return -ops.sum(smoothed * real), ops.sum(real)
