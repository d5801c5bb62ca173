"""The part of the gallery page with a night's statistics."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.core.pages import Bar, bar_chart
from pipeline.model.reference_profile import TOP_CAPTION
from pipeline.storage.files import read_json_if_whole
from serving.monitoring.drift import Drift
from serving.monitoring.statistics import NightStatistics, Spread
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


@dataclass(frozen=True)
class Chart:
    """How one number of the captions is distributed."""

    title: str
    bars: list[Bar]
    low: float
    high: float
    spread: Spread


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
    verdict: str  # `near`, `far` or `unknown`


def monitoring_view(plan: Plan, captions: pa.Table) -> MonitoringView | None:
    """What to show of a run, whose captioned rows are given; None if there are no statistics."""
    content = read_json_if_whole(plan.statistics_file)
    if content is None:
        return None
    statistics = NightStatistics.model_validate(content)
    frequent = pc.value_counts(captions["caption"]).to_pylist()
    top = max(frequent, key=lambda item: (item["counts"], item["values"]), default=None)
    drifts, spreads = statistics.drifts, statistics.spreads
    rows = [DriftRow(TITLES[name], _compared(drifts[name]), drifts[name]) for name in TITLES if name in drifts]
    is_far = any(row.drift.exceeds_limit for row in rows)
    return MonitoringView(
        statistics=statistics,
        top_caption=top and str(top["values"]),
        charts=[_chart(TITLES[name], spreads[name]) for name in TITLES if name in spreads],
        drifts=rows,
        verdict="far" if is_far else "near" if rows else "unknown",
    )


def _chart(title: str, spread: Spread) -> Chart:
    """The bins from the first that holds something to the last; the open ones as wide as the others."""
    step = spread.edges[1] - spread.edges[0]
    lows = (spread.edges[0] - step, *spread.edges)
    filled = [place for place, count in enumerate(spread.counts) if count]
    shown = range(filled[0], filled[-1] + 1)
    labels = [f"{spread.counts[place]:,} from {lows[place]:.3g}" for place in shown]
    bars = bar_chart([spread.counts[place] for place in shown], labels)
    return Chart(title, bars, lows[shown[0]], lows[shown[-1]] + step, spread)


def _compared(drift: Drift) -> list[Bar]:
    shares = zip(drift.night, drift.reference, strict=True)
    labels = [f"{night:.0%} of the night, {reference:.0%} of the reference" for night, reference in shares]
    return bar_chart(drift.night, labels, drift.reference)
