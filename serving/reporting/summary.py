"""The summary of a night."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from pipeline.model.interface import PinnedModel
from pipeline.registry.acceptance import acceptance_of
from pipeline.storage.files import read_json
from serving.reporting.outputs.write import Written
from serving.reporting.published_rows import PublishedRows
from serving.runs.plan_file import Plan, PlanCounts

_NO_OUTCOME = {"captioned": 0, "quarantined": 0, "left": 0, "reasons": {}, "duplicates": 0, "already_published": False}


@dataclass(frozen=True)
class NightSummary:
    """What a night did."""

    night: str
    run: str
    model: PinnedModel
    input: str
    table: str
    version: int  # the table's writer sequence after the night
    counts: PlanCounts
    ignored: dict[str, list[str]]  # the first files that were ignored, by reason
    captioned: int
    quarantined: int
    reasons: dict[str, int]  # quarantined images by reason, the most frequent first
    left: int  # planned images that the deadline left for another night
    duplicates: int  # rows that another night had published meanwhile, not published again
    already_published: bool  # by an earlier call
    backlog: int  # images that wait for later nights
    backlog_nights: int | None  # nights like this one until none waits; None if this one did nothing
    backlog_end: str | None  # the day of the last of them, at a night a day
    mean_score: float | None  # of the captions, natural log-probability a word
    distinct_captions: int
    seconds: float  # from planning to publishing, or to this report if there was nothing to publish
    gallery: str
    output: Written | None  # what was written beside the table
    acceptance: dict[str, Any] | None = None  # what people said of the version's captions in audits so far

    def to_json(self) -> dict[str, Any]:
        """The content of `summary.json`."""
        return asdict(self) | {"counts": self.counts.model_dump()}


def summarize(plan: Plan, rows: PublishedRows, output: Written | None = None) -> NightSummary:
    """The summary of a run that published `rows`, or that had nothing to do."""
    outcome = _NO_OUTCOME | (read_json(plan.published_file) if plan.is_published else {})
    done, waiting = outcome["captioned"] + outcome["quarantined"], plan.counts.backlog + outcome["left"]
    nights = -(-waiting // done) if done else None
    ended = datetime.fromisoformat(outcome["published_at"]) if "published_at" in outcome else datetime.now(UTC)
    said = acceptance_of(plan.store, plan.model.name, plan.model.version)
    return NightSummary(
        night=plan.night,
        run=plan.run,
        model=plan.model,
        input=plan.input,
        table=plan.table,
        version=outcome.get("version", plan.table_version),
        counts=plan.counts,
        ignored=plan.ignored,
        **{key: outcome[key] for key in _NO_OUTCOME},
        backlog=waiting,
        backlog_nights=nights,
        backlog_end=None if nights is None else f"{plan.planned_at + timedelta(nights):%Y-%m-%d}",
        mean_score=rows.figures.mean_score,
        distinct_captions=rows.frequencies[0],
        seconds=round((ended - plan.planned_at).total_seconds(), 1),
        gallery=str(plan.gallery / "index.html"),
        output=output,
        acceptance=said.as_json() if said else None,
    )
