"""What the gallery page shows of a night's figures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.model.reference_profile import TOP_CAPTION
from pipeline.storage.files import read_json
from serving.monitoring.drift import Drift
from serving.monitoring.statistics import Figures, Spread
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
class Bar:
    """A bar of a chart; shares are of the highest bar."""

    night: float
    usual: float | None
    label: str


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
    """One sign's drift beside its reference."""

    title: str
    bars: list[Bar]
    drift: Drift


@dataclass(frozen=True)
class MonitoringView:
    """What the page shows.

    Attributes:
        figures: of the night.
        top_caption: the most frequent caption; None if there is none.
        charts: of words, score and confidence.
        drifts: a row a sign; empty if drift is not known.
        verdict: `near`, `far` or `unknown`.
    """

    figures: Figures
    top_caption: str | None
    charts: list[Chart]
    drifts: list[DriftRow]
    verdict: str


def monitoring_view(plan: Plan, captions: pa.Table) -> MonitoringView | None:
    """What to show of a run, whose captioned rows are given; None if it was not watched."""
    if not plan.statistics_file.is_file():
        return None
    figures = Figures.model_validate(read_json(plan.statistics_file))
    frequent = pc.value_counts(captions["caption"]).to_pylist()
    top = max(frequent, key=lambda item: (item["counts"], item["values"]), default=None)
    drifts, spreads = figures.drifts, figures.spreads
    rows = [DriftRow(TITLES[name], list(_compared(drifts[name])), drifts[name]) for name in TITLES if name in drifts]
    far = any(row.drift.is_over for row in rows)
    return MonitoringView(
        figures=figures,
        top_caption=top and str(top["values"]),
        charts=[_chart(TITLES[name], spreads[name]) for name in TITLES if name in spreads],
        drifts=rows,
        verdict="far" if far else "near" if rows else "unknown",
    )


def _chart(title: str, spread: Spread) -> Chart:
    """The bins from the first that holds something to the last; the open ones as wide as the others."""
    step = spread.edges[1] - spread.edges[0]
    lows = (spread.edges[0] - step, *spread.edges)
    held = [place for place, count in enumerate(spread.counts) if count]
    shown = range(held[0], held[-1] + 1)
    highest = max(spread.counts)
    bars = [
        Bar(spread.counts[place] / highest, None, f"{spread.counts[place]:,} from {lows[place]:.3g}") for place in shown
    ]
    return Chart(title, bars, lows[shown[0]], lows[shown[-1]] + step, spread)


def _compared(drift: Drift) -> Iterator[Bar]:
    highest = max(*drift.night, *drift.reference)
    for night, usual in zip(drift.night, drift.reference, strict=True):
        yield Bar(night / highest, usual / highest, f"{night:.0%} of the night, usually {usual:.0%}")
