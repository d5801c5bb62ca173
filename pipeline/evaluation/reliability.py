"""Whether estimated scores are what captions then score (calibration, as Zadrozny and Elkan, KDD 2002)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

_PARTS: Final = 5


def reliability(estimates: Sequence[float], scores: Sequence[float]) -> dict[str, Any]:
    """Estimates beside scores, both CIDEr-D in [0, 10].

    Returns `slope` and `intercept` of the straight line from estimates to scores, 1 and 0 where estimates are right, None
    where they never change; `fifths` by rising estimate, each with `images`, mean `estimated` and mean `scored`; and
    `error`, by how far these means differ, in the mean.
    """
    given, true = np.asarray(estimates, float), np.asarray(scores, float)
    order = np.argsort(given, kind="stable")
    parts = [part for part in np.array_split(order, _PARTS) if len(part)]
    fifths = [
        {"images": len(part), "estimated": float(given[part].mean()), "scored": float(true[part].mean())}
        for part in parts
    ]
    slope = float(np.cov(given, true, bias=True)[0, 1] / given.var()) if np.ptp(given) > 0 else None
    return {
        "slope": slope,
        "intercept": None if slope is None else float(true.mean() - slope * given.mean()),
        "error": float(np.mean([abs(part["estimated"] - part["scored"]) for part in fifths])),
        "fifths": fifths,
    }
