"""Whether a version is surely better than the champion: on all test images, or where people corrected captions."""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.core.points import POINTS, points
from pipeline.core.settings import GateSettings
from pipeline.metrics.bootstrap import Bounds, bounds
from pipeline.release.gate.candidate import GateCandidate

# Of the risk 1 - confidence the first attempt on a champion spends half, attempt k that over k to this power. The same
# images compare all attempts, so their errors go together, and 50 attempts err as often as the risk says.
_FIRST_SHARE: Final = 1 / 2
_POWER: Final = 3 / 2
_OVERALL: Final = 2 / 3  # of an attempt's risk, where corrected images are a second way to pass
_TAIL: Final = 10  # resamples that shall lie beyond a bound
_MOST_RESAMPLES: Final = 200_000


class Superiority(NamedTuple):
    """The answer, in words, and the difference of the mean CIDEr-D on all test images."""

    found: bool
    text: str
    difference: Bounds  # challenger less champion, at the attempt's confidence


def confidence_of(settings: GateSettings, attempt: int, share: float = 1.0) -> float:
    """How sure a comparison must be, so that all attempts on one champion together keep to `settings.confidence`."""
    return 1 - (1 - settings.confidence) * share * _FIRST_SHARE * math.pow(attempt, -_POWER)


def superiority(
    challenger: GateCandidate,
    champion: GateCandidate,
    corrected: npt.NDArray[np.bool_],
    settings: GateSettings,
    attempt: int,
) -> Superiority:
    """Compare two versions on images, of which people corrected some: bool [n].

    The version passes where it is better overall. Where people corrected enough images, it passes as well if it is better
    on these and not inferior on the others.
    """
    differences, margin = challenger.cider_d - champion.cider_d, settings.margin_points
    apart = settings.constants["corrected_images"] <= corrected.sum() < len(corrected)
    sure = confidence_of(settings, attempt, _OVERALL if apart else 1.0)
    overall = _bounds(differences, settings, sure)
    better = overall.lower * POINTS > margin
    text = (
        f"{'better' if better else 'not surely better'}{f' by {margin:g} points' if margin else ''}: CIDEr-D "
        f"{points(challenger.cider_d.mean())} against {points(champion.cider_d.mean())} of version {champion.version} on the "
        f"same {len(differences)} test images, a difference of {_at_least(overall, sure)}, as attempt {attempt} on this champion"
    )
    if better or not apart:
        return Superiority(better, text, overall)
    sure = confidence_of(settings, attempt, 1 - _OVERALL)
    there = _bounds(differences[corrected], settings, sure)
    elsewhere = _bounds(differences[~corrected], settings, settings.confidence)
    allowed = settings.constants["elsewhere_drop_points"]
    improves, keeps = there.lower * POINTS > margin, elsewhere.lower * POINTS > -allowed
    second = (
        f"{'better' if improves else 'not surely better'} where people corrected captions ({corrected.sum()} images): "
        f"{_at_least(there, sure)}; {'not worse' if keeps else 'perhaps worse'} elsewhere ({(~corrected).sum()} images): "
        f"{_at_least(elsewhere, settings.confidence)}, {-allowed:+.1f} allowed"
    )
    found = improves and keeps
    return Superiority(found, f"{second}; overall {text}" if found else f"{text}; {second}", overall)


def resamples_for(settings: GateSettings, confidence: float) -> int:
    """As many as leave some beyond a bound, at least `settings.resamples`."""
    return min(max(settings.resamples, math.ceil(_TAIL / (1 - confidence))), _MOST_RESAMPLES)


def _bounds(differences: npt.NDArray[np.float64], settings: GateSettings, confidence: float) -> Bounds:
    return bounds(differences, resamples_for(settings, confidence), confidence)


def _at_least(bound: Bounds, confidence: float) -> str:
    return f"{bound.mean * POINTS:+.1f}, at least {bound.lower * POINTS:+.1f} with {100 * confidence:.4g}% confidence"
