"""The summary of a night."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.model.interface import PinnedModel
from pipeline.storage.files import read_json
from pipeline.storage.tables import CAPTIONED
from serving.reporting.outputs.write import Written
from serving.runs.plan_file import Plan, PlanCounts

_NO_OUTCOME = {"captioned": 0, "quarantined": 0, "left": 0, "reasons": {}, "duplicates": 0, "already_published": False}


@dataclass(frozen=True)
class NightSummary:
    """What a night did.

    Attributes:
        version: the table's writer sequence after the night.
        counts: of the listed images.
        captioned: images with a caption.
        quarantined: images without, for a reason.
        reasons: quarantined images by reason, most frequent first.
        left: planned images that the deadline left for another night.
        duplicates: rows that another night had published meanwhile, not published again.
        already_published: an earlier call had published this run.
        backlog: images that wait for later nights.
        backlog_nights: nights like this one until none waits; None if this one did nothing.
        backlog_end: the day of the last of them, at a night a day.
        mean_score: of the captions, natural log-probability a word.
        distinct_captions: how many of the captions differ.
        seconds: from planning to publishing, or to this report if there was nothing to publish.
        output: what was written beside the table; None if there is no output.
    """

    night: str
    run: str
    model: PinnedModel
    input: str
    table: str
    version: int
    counts: PlanCounts
    captioned: int
    quarantined: int
    reasons: dict[str, int]
    left: int
    duplicates: int
    already_published: bool
    backlog: int
    backlog_nights: int | None
    backlog_end: str | None
    mean_score: float | None
    distinct_captions: int
    seconds: float
    gallery: str
    output: Written | None

    def to_json(self) -> dict[str, Any]:
        """The content of `summary.json`."""
        return asdict(self) | {"counts": self.counts.model_dump()}


def summarize(plan: Plan, rows: pa.Table, output: Written | None = None) -> NightSummary:
    """The summary of a run that published `rows`, or that had nothing to do."""
    outcome = _NO_OUTCOME | (read_json(plan.published_file) if plan.is_published else {})
    done, waiting = outcome["captioned"] + outcome["quarantined"], plan.counts.backlog + outcome["left"]
    nights = -(-waiting // done) if done else None
    ended = datetime.fromisoformat(outcome["published_at"]) if "published_at" in outcome else datetime.now(UTC)
    captions = rows.filter(pc.field("status") == CAPTIONED)
    return NightSummary(
        night=plan.night,
        run=plan.run,
        model=plan.model,
        input=plan.input,
        table=plan.table,
        version=outcome.get("version", plan.table_version),
        counts=plan.counts,
        captioned=outcome["captioned"],
        quarantined=outcome["quarantined"],
        reasons=outcome["reasons"],
        left=outcome["left"],
        duplicates=outcome["duplicates"],
        already_published=outcome["already_published"],
        backlog=waiting,
        backlog_nights=nights,
        backlog_end=None if nights is None else f"{plan.planned_at + timedelta(nights):%Y-%m-%d}",
        mean_score=pc.mean(captions["score"]).as_py(),
        distinct_captions=pc.count_distinct(captions["caption"]).as_py(),
        seconds=round((ended - plan.planned_at).total_seconds(), 1),
        gallery=str(plan.gallery / "index.html"),
        output=output,
    )
