"""What a report tells of the rows that a run published, read a batch at a time, as a night may have millions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.model.reference_profile import low_confidence
from pipeline.storage.forgotten import Forgotten
from pipeline.storage.tables import CAPTIONED, QUARANTINED, CaptionTable
from serving.monitoring.statistics import night_reference
from serving.runs.plan_file import Plan

_Row = dict[str, Any]

MAX_QUARANTINED = 500  # are listed

_PASS_CAPTIONS = 4_000_000  # whose hashes are in memory at once
_COLUMNS = ["image", "sha256", "status", "reason", "caption", "alternatives", "score", "confidence", "width", "height"]


@dataclass(frozen=True)
class PublishedRows:
    """The rows that a run published, without images that were forgotten; few of them are in memory at once."""

    plan: Plan
    table: CaptionTable
    forgotten: Forgotten

    @cached_property
    def figures(self) -> Figures:
        """Counts and samples, from one reading."""
        figures = Figures(self.plan)
        for batch in self._batches(_COLUMNS):
            figures.add(pa.Table.from_batches([batch]))
        return figures

    @cached_property
    def frequencies(self) -> tuple[int, str | None]:
        """The number of different captions, and the most frequent one if any comes twice; captions are compared by hashes."""
        passes, distinct, most, frequent = -(-self.figures.captioned // _PASS_CAPTIONS), 0, 2, np.empty(0, np.uint64)
        for number in range(passes):
            hashes = np.concatenate([each[each % passes == number] for each in map(_hashed, self._captions())])
            hashes, counts = np.unique(hashes, return_counts=True)
            distinct += len(hashes)
            if (peak := counts.max(initial=0)) >= most:
                kept = frequent if peak == most else frequent[:0]
                most, frequent = peak, np.concatenate([kept, hashes[counts == peak]])
        if not len(frequent):
            return distinct, None
        found = (pc.max(each.filter(pa.array(np.isin(_hashed(each), frequent)))) for each in self._captions())
        return distinct, max(text.as_py() for text in found if text.is_valid)

    def _captions(self) -> Iterator[pa.Array]:
        for batch in self._batches(["image", "status", "caption"]):
            yield batch.filter(pc.equal(batch["status"], CAPTIONED))["caption"]

    def _batches(self, columns: list[str]) -> Iterator[pa.RecordBatch]:
        for batch in self.table.published(self.plan.night, self.plan.run, columns):
            is_kept = [image not in self.forgotten for image in batch["image"].to_pylist()] if self.forgotten else None
            yield batch.filter(pa.array(is_kept, pa.bool_())) if is_kept else batch


class Figures:
    """What is counted and kept of a run's rows."""

    def __init__(self, plan: Plan) -> None:
        self._low = low_confidence(night_reference(plan))
        self._sample_size = plan.settings.gallery_size
        self._sample, self._listed = list[pa.Table](), list[_Row]()
        self._scores, self._scored, self._given, self._unsure = 0.0, 0, 0, 0
        self.captioned = self.quarantined = 0
        self.greatest_confidence: float | None = None

    @property
    def mean_score(self) -> float | None:
        """Of the captions that have one, natural log-probability a word."""
        return self._scores / self._scored if self._scored else None

    @property
    def unsure(self) -> float:
        """The share of the captions with a confidence that are less sure than nine in ten validation captions."""
        return self._unsure / max(self._given, 1)

    @property
    def listed(self) -> list[_Row]:
        """The first quarantined rows."""
        return self._listed

    @property
    def sample(self) -> list[_Row]:
        """Captioned rows, chosen by the images' hashes, in the night's order."""
        return [row for table in self._sample for row in table.to_pylist()]

    def add(self, rows: pa.Table) -> None:
        """Count more rows, with the columns that these figures need."""
        captions = rows.filter(pc.equal(rows["status"], CAPTIONED))
        quarantined = rows.filter(pc.equal(rows["status"], QUARANTINED))
        self._listed += quarantined[: MAX_QUARANTINED - len(self._listed)].to_pylist()
        self.captioned += len(captions)
        self.quarantined += len(quarantined)
        self._scores += pc.sum(captions["score"]).as_py() or 0.0
        self._scored += pc.count(captions["score"]).as_py()
        self._add_confidences(captions["confidence"].drop_null())
        chosen = pa.concat_tables([*self._sample, captions])
        kept = sorted(pc.sort_indices(chosen["sha256"])[: self._sample_size].to_pylist())
        self._sample = [chosen.take(pa.array(kept, pa.int64()))]

    def _add_confidences(self, given: pa.ChunkedArray) -> None:
        self._given += len(given)
        greatest = [each for each in (self.greatest_confidence, pc.max(given).as_py()) if each is not None]
        self.greatest_confidence = max(greatest, default=None)
        if self._low is not None:
            self._unsure += pc.sum(pc.less(given, self._low)).as_py() or 0


def _hashed(captions: pa.Array) -> npt.NDArray[np.uint64]:
    """A number [captions] of each; two of ten million have the same in 1 of 370,000 nights."""
    return pd.util.hash_array(captions.to_numpy(zero_copy_only=False), categorize=False)
