"""What a night was like, from its finished parts."""

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
    """How one number of the captions is distributed.

    Attributes:
        edges: of the bins; the first and the last bin are open.
        counts: one more than edges.
        mean: of the numbers themselves.
        p05: one caption in twenty is below; from the bins, as are the others.
        p50: half of them are below.
        p95: one in twenty is above.
    """

    edges: tuple[float, ...]
    counts: tuple[int, ...]
    mean: float
    p05: float
    p50: float
    p95: float


class Figures(Group):
    """What a night was like, as `watch.json` has it; it holds no caption and no name of an image.

    Attributes:
        watched_at: when.
        captioned: images with a caption.
        quarantined: images without, for a reason.
        left: planned images that the deadline left for another night.
        reasons: quarantined images by reason.
        seconds: of workers' time, loading the model left out.
        images_per_second: of one worker; None if there were none.
        distinct_captions: how many of the captions differ.
        top_caption_share: of the most frequent caption among all.
        spreads: of words, score and confidence, as far as the model gives them.
        drifts: by sign; empty where the model has no reference.
        alarms: what is too odd, by guard: `quarantine` and `drift`, each as a sentence.
    """

    watched_at: datetime
    captioned: int
    quarantined: int
    left: int
    reasons: dict[str, int]
    seconds: float
    images_per_second: float | None
    distinct_captions: int
    top_caption_share: float
    spreads: dict[str, Spread]
    drifts: dict[str, Drift]
    alarms: dict[str, str]

    @property
    def done(self) -> int:
        """Images that were captioned or quarantined."""
        return self.captioned + self.quarantined


def figures_of(plan: Plan, tally: Mapping[str, Any], files: Sequence[Path]) -> Figures:
    """The figures of a run whose shards have finished, not judged yet.

    Args:
        plan: of the run.
        tally: its counts: captioned, quarantined, left and reasons.
        files: its parts.
    """
    reference = _reference(plan)
    passage = _Passage(reference)
    passage.go_through(files)
    done = tally["captioned"] + tally["quarantined"]
    return Figures(
        watched_at=datetime.now(UTC),
        **{key: tally[key] for key in ("captioned", "quarantined", "left", "reasons")},
        seconds=round(passage.seconds, 3),
        images_per_second=round(done / passage.seconds, 3) if passage.seconds else None,
        distinct_captions=passage.distinct,
        top_caption_share=round(passage.top / max(tally["captioned"], 1), 6),
        spreads=passage.spreads(),
        drifts=drifts_of(reference, passage.compared, plan.settings),
        alarms={},
    )


def _reference(plan: Plan) -> dict[str, Distribution]:
    path = plan.reference_file
    if not path.is_file():
        log.warning("night %s: drift is unknown, as the model has no reference to compare with", plan.night)
        return {}
    return {name: Distribution.parse(item) for name, item in read_json(path).items()}


class _Passage:
    """Goes through parts once; keeps counts, and eight bytes a caption."""

    def __init__(self, reference: Mapping[str, Distribution]) -> None:
        self._edges = {name: known.edges for name, known in reference.items()}
        self.compared: dict[str, BinCounts] = {name: np.zeros_like(known.counts) for name, known in reference.items()}
        self._counts: dict[str, BinCounts] = {name: np.zeros(len(edges) + 1, np.int64) for name, edges in EDGES.items()}
        self._sums = dict.fromkeys(EDGES, 0.0)
        self._captions: list[npt.NDArray[np.int64]] = []
        self.seconds = 0.0
        self.distinct = self.top = 0

    def go_through(self, files: Sequence[Path]) -> None:
        for batch in read_parts(files):
            self.seconds += batch.seconds
            self._captions.append(np.fromiter(map(hash, batch.captions), np.int64))
            for name, values in batch.signs().items():
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
    below = np.cumsum(counts)[:-1] / counts.sum()  # at each edge
    return Spread(
        edges=tuple(round(float(edge), 6) for edge in edges),
        counts=tuple(counts.tolist()),
        mean=round(total / int(counts.sum()), 6),
        **{key: round(float(np.interp(share, below, edges)), 6) for key, share in QUANTILES.items()},
    )
