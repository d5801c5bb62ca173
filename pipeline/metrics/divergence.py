"""The Jensen-Shannon divergence (Lin, 1991)."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt


def jensen_shannon(first: npt.NDArray[Any], second: npt.NDArray[Any]) -> Any:
    """Divergence of counts or shares [..., bins], base 2: float [...] in [0, 1]; they broadcast."""
    p, q = (each / each.sum(axis=-1, keepdims=True) for each in (first, second))
    middle = (p + q) / 2
    return ((_relative_entropy(p, middle) + _relative_entropy(q, middle)) / 2).clip(0.0, 1.0)


def _relative_entropy(p: npt.NDArray[np.float64], middle: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Relative entropy in bits; a bin without share adds nothing."""
    ratios = p / np.where(middle > 0, middle, 1.0)
    return np.asarray((p * np.log2(np.where(p > 0, ratios, 1.0))).sum(axis=-1))
