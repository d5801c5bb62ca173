"""A night's statistics, from its finished parts."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from pipeline.core.settings import Group
from pipeline.model.reference_profile import TOP_CAPTION, BinCounts, Distribution, count
from pipeline.storage.files import read_json
from serving.monitoring.drift import Drift, drifts_of
from serving.runs.part_file import read_parts
from serving.runs.plan_file import Plan

log = logging.getLogger(__name__)

EDGES: Final[Mapping[str, npt.NDArray[np.float64]]] = {
    "words": np.arange(0.5, 41.0),
    "score": np.linspace(-6.0, 0.0, 61),
    "confidence": np.linspace(0.0, 4.0, 81),
}
QUANTILES: Final = {"p05": 0.05, "p50": 0.5, "p95": 0.95}


class Spread(Group):
    """How one number of the captions is distributed."""

    edges: tuple[float, ...]  # of the bins; the first and the last bin are open
    counts: tuple[int, ...]  # one more than edges
    mean: float  # of the numbers themselves; the quantiles are from the bins
    p05: float
    p50: float
    p95: float


class NightStatistics(Group):
    """As `watch.json` has it, without any caption or name of an image."""

    watched_at: datetime
    captioned: int
    quarantined: int
    left: int  # planned images that the deadline left for another night
    reasons: dict[str, int]  # quarantined images by reason
    seconds: float  # of workers' time, loading the model left out
    images_per_second: float | None  # of one worker; None if there were none
    distinct_captions: int
    top_caption_share: float  # of the most frequent caption among all, 0 to 1
    spreads: dict[str, Spread]  # of words, score and confidence, as far as the model gives them
    drifts: dict[str, Drift]  # by statistic; empty where the model has no reference
    alarms: dict[str, str]  # a sentence by guard, `quarantine` or `drift`

    @property
    def done(self) -> int:
        """Images that were captioned or quarantined."""
        return self.captioned + self.quarantined


def statistics_of(plan: Plan, counts: Mapping[str, Any], files: Sequence[Path]) -> NightStatistics:
    """The statistics of a run whose shards have finished, without alarms; `counts` and `files` as `guard` has them."""
    if not (reference := night_reference(plan)):
        log.warning("night %s: drift is unknown, as the model has no reference to compare with", plan.night)
    totals = _Totals(reference)
    totals.add_parts(files)
    done = counts["captioned"] + counts["quarantined"]
    return NightStatistics(
        watched_at=datetime.now(UTC),
        **{key: counts[key] for key in ("captioned", "quarantined", "left", "reasons")},
        seconds=round(totals.seconds, 3),
        images_per_second=round(done / totals.seconds, 3) if totals.seconds else None,
        distinct_captions=totals.distinct,
        top_caption_share=round(totals.top / max(counts["captioned"], 1), 6),
        spreads=totals.spreads(),
        drifts=drifts_of(reference, totals.compared, plan.settings),
        alarms={},
    )


def night_reference(plan: Plan) -> dict[str, Distribution]:
    """The distributions that a night is compared with, by statistic; none where the model has none."""
    if not plan.reference_file.is_file():
        return {}
    return {name: Distribution.parse(item) for name, item in read_json(plan.reference_file).items()}


class _Totals:
    """Counts over all parts; eight bytes a caption are in memory."""

    def __init__(self, reference: Mapping[str, Distribution]) -> None:
        self._edges = {name: profile.edges for name, profile in reference.items()}
        self.compared = {name: np.zeros_like(profile.counts) for name, profile in reference.items()}
        self._counts: dict[str, BinCounts] = {name: np.zeros(len(edges) + 1, np.int64) for name, edges in EDGES.items()}
        self._sums = dict.fromkeys(EDGES, 0.0)
        self._captions: list[npt.NDArray[np.int64]] = []
        self.seconds = 0.0
        self.distinct = self.top = 0

    def add_parts(self, files: Sequence[Path]) -> None:
        for batch in read_parts(files):
            self.seconds += batch.seconds
            self._captions.append(np.fromiter(map(hash, batch.captions), np.int64))
            for name, values in batch.statistics().items():
                self._add(name, values)
        _, repeats = np.unique(np.concatenate([np.empty(0, np.int64), *self._captions]), return_counts=True)
        self.distinct, self.top = len(repeats), int(repeats.max(initial=0))
        self._add(TOP_CAPTION, np.repeat([0.0, 1.0], [int(repeats.sum()) - self.top, self.top]))

    def _add(self, name: str, values: npt.NDArray[np.float64]) -> None:
        if name in self.compared:
            self.compared[name] += count(self._edges[name], values)
        if name in self._counts:
            self._counts[name] += count(EDGES[name], values)
            self._sums[name] += float(values.sum())

    def spreads(self) -> dict[str, Spread]:
        return {name: _spread(name, counts, self._sums[name]) for name, counts in self._counts.items() if counts.sum()}


def _spread(name: str, counts: BinCounts, total: float) -> Spread:
    edges = EDGES[name]
    return Spread(
        edges=tuple(round(float(edge), 6) for edge in edges),
        counts=tuple(counts.tolist()),
        mean=round(total / int(counts.sum()), 6),
        **{key: round(Distribution(edges, counts).quantile(share), 6) for key, share in QUANTILES.items()},
    )
