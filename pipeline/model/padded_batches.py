"""Networks on any number of rows, in batches of one padded shape: no row's result depends on its neighbours."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt


def predict_padded(network: Any, batch_size: int, *inputs: npt.NDArray[Any]) -> Any:
    """A Keras model's output, [n, ..] or a tuple, for inputs [n, ..], n at least 1; zeros fill the last batch."""
    count = len(inputs[0])
    padded = [np.pad(rows, [(0, -count % batch_size), *[(0, 0)] * (rows.ndim - 1)]) for rows in inputs]
    outputs = []
    for start in range(0, count, batch_size):
        first, *others = (rows[start : start + batch_size] for rows in padded)
        outputs.append(network.predict_on_batch((first, *others) if others else first))
    if isinstance(outputs[0], tuple):
        return tuple(np.concatenate(parts)[:count] for parts in zip(*outputs, strict=True))
    return np.concatenate(outputs)[:count]
