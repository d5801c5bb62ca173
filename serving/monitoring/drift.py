"""The drift of a night's statistics from the reference of its model.

By the Jensen-Shannon divergence (Lin, 1991), but for the most frequent caption by how much its share has risen.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from pipeline.core.settings import Group
from pipeline.metrics.divergence import jensen_shannon
from pipeline.model.reference_profile import CAPTION_STATISTICS, TOP_CAPTION, BinCounts, Distribution
from serving.runs.settings import NightSettings

_SAMPLES: Final = 4000
_CHANCE: Final = 0.999  # one night in a thousand is further off by chance, for each statistic
_PRIOR: Final = 0.5  # what a bin that holds nothing may yet have held

Measure = Callable[[npt.NDArray[Any], npt.NDArray[Any]], Any]


class Drift(Group):
    """Of one statistic."""

    divergence: float  # from the reference, 0 to 1; of the most frequent caption the rise of its share
    chance: float  # what one night in a thousand exceeds, if its images are of the reference's kind
    limit: float  # the setting beyond chance
    reference: tuple[float, ...]  # its share in each bin, the lowest first
    night: tuple[float, ...]  # likewise

    @property
    def exceeds_limit(self) -> bool:
        """Whether the night is too far from the reference."""
        return self.divergence > self.limit

    @property
    def beyond(self) -> float:
        """The share of the night in the open bins, in which the reference of images has none."""
        return self.night[0] + self.night[-1]


def rise(first: npt.NDArray[Any], second: npt.NDArray[Any]) -> Any:
    """How much larger the last bin's share is in the second of two samples [..., bins]: float [...] in [0, 1]."""
    before, after = (each[..., -1] / each.sum(axis=-1) for each in (first, second))
    return (after - before).clip(0.0, 1.0)


def chance(reference: BinCounts, images: int, measure: Measure = jensen_shannon) -> float:
    """The measure that one night in a thousand exceeds, if its images are of the reference's kind."""
    return _chance(tuple(reference.tolist()), images, measure)


@lru_cache(64)
def _chance(reference: tuple[int, ...], images: int, measure: Measure) -> float:
    """Both are sampled anew, as the reference is a sample, too."""
    counts, random = np.array(reference), np.random.default_rng(0)
    likely = (counts + _PRIOR) / (counts + _PRIOR).sum()
    samples = (random.multinomial(size, likely, _SAMPLES) for size in (counts.sum(), images))
    return float(np.quantile(measure(*samples), _CHANCE))


def drifts_of(
    reference: Mapping[str, Distribution], night: Mapping[str, BinCounts], settings: NightSettings
) -> dict[str, Drift]:
    """The drift of every statistic of the reference that the night has at least once; both count in the same bins."""
    return {
        name: _drift(name, profile.counts, night[name], getattr(settings, setting_of(name)))
        for name, profile in reference.items()
        if name in night and night[name].sum()
    }


def setting_of(statistic: str) -> str:
    """The name of the setting that limits a statistic's drift."""
    if statistic == TOP_CAPTION:
        return "max_top_caption_rise"
    return "max_caption_drift" if statistic in CAPTION_STATISTICS else "max_picture_drift"


def _drift(name: str, reference: BinCounts, night: BinCounts, allowed: float) -> Drift:
    measure: Measure = rise if name == TOP_CAPTION else jensen_shannon
    by_chance = chance(reference, int(night.sum()), measure)
    return Drift(
        divergence=round(float(measure(reference, night)), 6),
        chance=round(by_chance, 6),
        limit=round(min(1.0, by_chance + allowed), 6),
        reference=_shares(reference),
        night=_shares(night),
    )


def _shares(counts: BinCounts) -> tuple[float, ...]:
    return tuple(round(float(share), 6) for share in counts / counts.sum())
