"""A moving average of weights, which generalises better than the last ones (Polyak and Juditsky, 1992)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import keras
from keras import ops


class MovingAverage:
    """Averages beside the weights; with a decay of 0 there are none, and the weights stand for themselves."""

    def __init__(self, weights: Sequence[Any], decay: float) -> None:
        self.decay = decay
        self.values: list[Any] = []  # the step, then the average of each weight
        if decay:
            step = keras.Variable(0, dtype="int32", trainable=False, name="average_step")
            self.values = [step, *(keras.Variable(ops.copy(weight), trainable=False) for weight in weights)]

    def update(self, weights: Sequence[Any]) -> None:
        """Move towards the weights as they are now; faster in the first steps, when the averages mean little."""
        if not self.values:
            return
        step, *averages = self.values
        step.assign_add(1)
        taken = ops.cast(step, "float32")
        decay = ops.minimum(self.decay, taken / (taken + 10.0))
        for average, weight in zip(averages, weights, strict=True):
            average.assign(average * decay + ops.convert_to_tensor(weight) * (1 - decay))

    @contextmanager
    def in_place_of(self, weights: Sequence[Any]) -> Iterator[None]:
        """Put the averages where the weights are, for as long as the block runs."""
        if not self.values:
            yield
            return
        own = [ops.convert_to_numpy(weight) for weight in weights]
        try:
            _assign(weights, self.values[1:])
            yield
        finally:
            _assign(weights, own)


def _assign(weights: Sequence[Any], values: Sequence[Any]) -> None:
    for weight, value in zip(weights, values, strict=True):
        weight.assign(value)
