"""The part of the gallery page with a night's statistics."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from pipeline.core.pages import Bar, bar_chart
from pipeline.core.points import POINTS
from pipeline.model.reference_profile import (
    IMAGE_STATISTICS,
    LOW_SHARE,
    MANY_UNSURE,
    TOP_CAPTION,
    low_confidence,
)
from pipeline.storage.files import read_json_if_whole
from serving.monitoring.drift import Drift
from serving.monitoring.statistics import NightStatistics, Spread, night_reference
from serving.runs.plan_file import Plan

TITLES: Final = {
    "words": "Words a caption",
    "score": "Score",
    "confidence": "Confidence",
    TOP_CAPTION: "The most frequent caption",
    "level": "Brightness of features",
    "zeros": "Empty features",
    "spread": "Variety within an image",
    "strangeness": "Strangeness",
    "residue": "Beyond anything learnt",
}
UNITS: Final = {"words": "words", "score": "log-probability a word", "confidence": "CIDEr-D, times 100"}
_SCALES: Final = {"confidence": POINTS}


@dataclass(frozen=True)
class Chart:
    """How one number of the captions is distributed; numbers are in its unit."""

    title: str
    unit: str
    bars: list[Bar]
    low: float
    high: float
    median: float
    most: int  # captions of the highest bar


@dataclass(frozen=True)
class ConfidenceScale:
    """How confidences are shown: as a part of `full`, and as unsure below `low`."""

    full: float  # estimated CIDEr-D that a full bar stands for, above 0
    low: float | None  # that nine in ten validation captions reach; None where the model has no reference

    def share(self, confidence: float) -> float:
        """The bar of a confidence, 0 to 1."""
        return min(confidence / self.full, 1.0)

    def is_unsure(self, confidence: float) -> bool:
        """Whether a caption is less sure than nine in ten."""
        return self.low is not None and confidence < self.low


@dataclass(frozen=True)
class DriftRow:
    """The drift of one statistic beside its reference."""

    title: str
    bars: list[Bar]
    drift: Drift


@dataclass(frozen=True)
class MonitoringView:
    """What the page shows."""

    statistics: NightStatistics
    top_caption: str | None  # the most frequent one
    charts: list[Chart]  # of words, score and confidence
    drifts: list[DriftRow]  # a row a statistic; empty without a reference
    verdict: str  # `near`, `far`, `few` below the floor, or `unknown`
    unlike: float  # at least this share of the images has a number beyond those of all the model was compared with
    unsure: float  # the share of the captions that are less sure than nine in ten, where it is worth a warning, else 0


def monitoring_view(plan: Plan, top_caption: str | None, unsure: float) -> MonitoringView | None:
    """What to show of a run; None if there are no statistics.

    Args:
        plan: of the run.
        top_caption: the most frequent one.
        unsure: the share of the captions that are less sure than nine in ten validation captions.
    """
    content = read_json_if_whole(plan.statistics_file)
    if content is None:
        return None
    statistics = NightStatistics.model_validate(content)
    drifts, spreads, reference = statistics.drifts, statistics.spreads, night_reference(plan)
    watched = reference.keys() & drifts.keys() & set(IMAGE_STATISTICS)
    rows = [DriftRow(TITLES[name], _compared(drifts[name]), drifts[name]) for name in TITLES if name in drifts]
    return MonitoringView(
        statistics=statistics,
        top_caption=top_caption,
        charts=[_chart(name, spreads[name]) for name in TITLES if name in spreads],
        drifts=rows,
        verdict=_verdict(statistics, plan.settings.drift_floor),
        unlike=max([drifts[name].beyond for name in watched if reference[name].is_large], default=0.0),
        unsure=unsure if unsure > MANY_UNSURE else 0.0,
    )


def confidence_scale(plan: Plan, greatest: float | None) -> ConfidenceScale:
    """How to show a run's confidences: against the model's validation captions, or the greatest one if they are not known."""
    reference = night_reference(plan)
    known = reference.get("confidence")
    full = known.quantile(1 - LOW_SHARE) if known else greatest
    return ConfidenceScale(full or 1.0, low_confidence(reference))


def _verdict(statistics: NightStatistics, floor: int) -> str:
    if not statistics.drifts:
        return "unknown"
    if statistics.captioned < floor:
        return "few"
    return "far" if any(drift.exceeds_limit for drift in statistics.drifts.values()) else "near"


def _chart(name: str, spread: Spread) -> Chart:
    """The bins from the first that holds something to the last; the open ones as wide as the others."""
    step = spread.edges[1] - spread.edges[0]
    lows = (spread.edges[0] - step, *spread.edges)
    filled = [place for place, count in enumerate(spread.counts) if count]
    shown = range(filled[0], filled[-1] + 1)
    scale, counts = _SCALES.get(name, 1), [spread.counts[place] for place in shown]
    labels = [f"{spread.counts[place]:,} captions from {scale * lows[place]:.3g} {UNITS[name]}" for place in shown]
    return Chart(
        title=TITLES[name],
        unit=UNITS[name],
        bars=bar_chart(counts, labels),
        low=round(scale * lows[shown[0]], 6),
        high=round(scale * (lows[shown[-1]] + step), 6) + 0.0,  # no minus before zero
        median=scale * spread.p50,
        most=max(counts),
    )


def _compared(drift: Drift) -> list[Bar]:
    shares = zip(drift.night, drift.reference, strict=True)
    labels = [f"{night:.0%} of the night, {reference:.0%} of the reference" for night, reference in shares]
    return bar_chart(drift.night, labels, drift.reference)
