"""Publish a run's captions: once, atomically."""

from __future__ import annotations

import logging
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from pipeline.core.environment import Home
from pipeline.core.errors import NightHeld, NightRejected, ObjectUnavailable, Permanent
from pipeline.storage.files import read_json, read_json_if_whole, write_json
from pipeline.storage.forgotten import Forgotten, heeding_forgotten
from pipeline.storage.tables import IMAGE, IMAGE_AND_VERSION, SCHEMA, CaptionTable
from pipeline.storage.tables.delta_log import is_whole
from pipeline.storage.tables.maintenance import sweep
from serving.monitoring.guard import Accepted, guard
from serving.monitoring.push_night import push_night
from serving.runs.lifecycle import was_published_meanwhile
from serving.runs.places import Places
from serving.runs.plan_file import Plan

log = logging.getLogger(__name__)


def publish(plan_path: str | Path, accept_quarantine: bool = False, accept_drift: bool = False) -> dict[str, Any]:
    """Append all the run's rows in one commit, rewrite the current captions, and drop the parts.

    A run that is published already stays as it is, which is a normal outcome. The parts of a night that is held back
    stay for a call that accepts it.

    Returns:
        Small JSON: `night`, `run`, `version` (the table's writer sequence), `captioned`, `quarantined`, `left` (by the
        deadline), `reasons`, `duplicates` (rows that another night had published meanwhile) and `already_published`.
    """
    plan = Plan.read(plan_path)
    if plan.is_published:
        shutil.rmtree(plan.parts, ignore_errors=True)  # the process that published it may have died over them
        return dict(read_json(plan.published_file)) | {"already_published": True}
    table = CaptionTable(plan.table)
    counts = _counts(plan)
    appended = _append(plan, table, counts, Accepted(accept_quarantine, accept_drift))
    table.write_current()
    sweep(table)
    outcome = {
        "night": plan.night,
        "run": plan.run,
        "version": table.version(),
        **counts,
        "duplicates": counts["captioned"] + counts["quarantined"] - table.count(plan.night, plan.run),
        "already_published": not appended,
        "published_at": datetime.now(UTC).isoformat(),
    }
    write_json(plan.published_file, outcome)
    shutil.rmtree(plan.parts, ignore_errors=True)
    log.info("night %s: %s", plan.night, outcome)
    return outcome


def publish_and_push(
    plan_path: str | Path, home: Home, accept_quarantine: bool = False, accept_drift: bool = False
) -> dict[str, Any]:
    """Publish a run as `publish` does, remember its table, and push its metrics, also if it is held back.

    Raises ObjectUnavailable if the table held rows and is not there any more.
    """
    plan, places = Plan.read(plan_path), Places.of(home)
    table = places.require_table(CaptionTable(plan.table))
    try:
        outcome = publish(plan_path, accept_quarantine, accept_drift)
    except NightHeld:
        push_night(plan, home, published=False)
        raise
    places.remember("table", table.uri, table.size())
    push_night(plan, home, published=True)
    return outcome


def _append(plan: Plan, table: CaptionTable, counts: dict[str, Any], accepted: Accepted) -> bool:
    """Whether this call published the run; False if it was published before."""
    if _is_in_table(plan, table):
        return False
    try:
        parts = _Parts(plan, _finished_parts(plan, counts))
        guard(plan, counts, parts.files, accepted)
        key = IMAGE if plan.settings.is_ordinary else IMAGE_AND_VERSION
        with heeding_forgotten(plan.store):  # `nightcap forget` takes the run for published, or it is gone
            return table.append(parts, plan.table_version, key) > 0 or not _is_in_table(plan, table)
    except (NightRejected, ObjectUnavailable, FileNotFoundError):
        if _is_in_table(plan, table):  # and the parts are being removed
            return False
        was_published_meanwhile(plan)  # or removed
        raise


def _is_in_table(plan: Plan, table: CaptionTable) -> bool:
    run = table.run_of(plan.night)
    if run not in {None, plan.run}:
        raise Permanent(
            f"night {plan.night!r} was published by run {run!r} while run {plan.run!r} was at work; "
            f"its images that are still without captions belong to the next night"
        )
    return run is not None


def _counts(plan: Plan) -> dict[str, Any]:
    """The sums of the shards' counts, checked against the plan."""
    shards = [read_json_if_whole(plan.shard_file(shard)) for shard in range(len(plan.shards))]
    if unfinished := [number for number, counts in enumerate(shards) if counts is None]:
        raise NightRejected(
            f"night {plan.night!r}, run {plan.run!r}: shards {unfinished} of {len(plan.shards)} have not finished; "
            f"run them, then publish"
        )
    total = {key: sum(shard[key] for shard in shards) for key in ("captioned", "quarantined", "left")}
    if sum(total.values()) != plan.counts.planned:
        raise NightRejected(f"night {plan.night!r}: {total} do not add up to the {plan.counts.planned} planned images")
    reasons: Counter[str] = sum((Counter(shard["reasons"]) for shard in shards), Counter())
    return {**total, "reasons": dict(reasons.most_common())}


@dataclass(frozen=True)
class _Parts:
    """The rows of finished parts, without images that were forgotten meanwhile; no rows of a published run.

    Parts, forgotten images and the table are read anew for every try at publishing.
    """

    plan: Plan
    files: list[Path]

    def to_batches(self) -> Iterator[pa.RecordBatch]:
        if _is_in_table(self.plan, CaptionTable(self.plan.table)):  # by another run: refused
            return
        forgotten = Forgotten.of(self.plan.store)
        for file in self.files:
            for batch in ds.dataset(str(file), SCHEMA).to_batches():
                is_kept = [image not in forgotten for image in batch["image"].to_pylist()]
                yield batch.filter(pa.array(is_kept, pa.bool_()))


def _finished_parts(plan: Plan, counts: dict[str, Any]) -> list[Path]:
    """In the order of the plan; checked against the shards' counts."""
    files = [path for shard in range(len(plan.shards)) for path in plan.part_files(shard) if is_whole(path)]
    rows = sum(pq.read_metadata(path).num_rows for path in files)
    if rows != counts["captioned"] + counts["quarantined"]:
        raise NightRejected(
            f"night {plan.night!r}: the parts in {plan.parts} hold {rows} rows, but the shards counted "
            f"{counts['captioned']} captioned and {counts['quarantined']} quarantined; run the shards again"
        )
    return files
