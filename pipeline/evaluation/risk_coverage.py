"""What withholding the captions a model is least sure of brings (El-Yaniv and Wiener, JMLR 2010)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import pandas as pd

COVERAGES: Final = tuple(tenths / 10 for tenths in range(10, 0, -1))
_TARGET: Final = 0.7


def risk_coverage(confidences: Sequence[float], scores: Sequence[float]) -> dict[str, Any]:
    """The mean score of the most confident captions, for shares of them from all to a tenth.

    Of equally confident captions the first counts as more confident; scores are CIDEr-D in [0, 10]. Returns `coverage`
    and `cider_d`, lists of the same length; `area`, the mean of that score over every coverage; `gain_at_70`, what the
    most confident 70% score above all; `rank_correlation` of confidence and score.
    """
    order = np.argsort(-np.asarray(confidences, float), kind="stable")
    best = np.asarray(scores, float)[order].cumsum() / np.arange(1, len(order) + 1)  # mean of the first 1, 2, ..
    return {
        "coverage": list(COVERAGES),
        "cider_d": [_at(best, share) for share in COVERAGES],
        "area": float(best.mean()),
        "gain_at_70": _at(best, _TARGET) - _at(best, 1.0),
        "rank_correlation": rank_correlation(confidences, scores),
    }


def rank_correlation(left: Sequence[float], right: Sequence[float]) -> float | None:
    """Spearman's rank correlation; None where either side never changes."""
    ranks = [pd.Series(side, dtype=float).rank() for side in (left, right)]
    if any(side.nunique() < 2 for side in ranks):
        return None
    return float(ranks[0].corr(ranks[1]))


def _at(best: np.ndarray, share: float) -> float:
    return float(best[max(1, math.ceil(share * len(best) - 1e-9)) - 1])
