"""Paired bootstrap of mean differences (Efron and Tibshirani, 1993; for captions as Koehn, EMNLP 2004, for translations)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

_Reals = npt.NDArray[np.float64]

_INDICES_PER_BATCH = 4_000_000


class Bounds(NamedTuple):
    """A mean and its one-sided bounds, each by itself at the given confidence."""

    mean: float
    lower: float
    upper: float


def bounds(values: _Reals, resamples: int = 2000, confidence: float = 0.95) -> Bounds:
    """The mean of paired differences, float [n], and its percentile bounds; the same in every call."""
    means = resampled_means(values[:, None], resamples)[:, 0]
    lower, upper = np.quantile(means, [1 - confidence, confidence])
    return Bounds(float(values.mean()), float(lower), float(upper))


def resampled_means(values: _Reals, resamples: int, seed: int = 0) -> _Reals:
    """Column means of resamples: float [resamples, k] of float [n, k]; all columns take the same rows."""
    count, random = len(values), np.random.default_rng(seed)
    rows = max(1, _INDICES_PER_BATCH // count)
    parts = []
    for start in range(0, resamples, rows):
        size = min(rows, resamples - start)
        indices = random.integers(0, count, (size, count)) + count * np.arange(size)[:, None]
        times = np.bincount(indices.ravel(), minlength=size * count).reshape(size, count).astype(np.float64)
        parts.append(times @ values / count)
    return np.concatenate(parts)
