"""Decide what a night captions, with which model, and write it down."""

from __future__ import annotations

import heapq
import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pipeline.captioner_types import PinnedModel
from pipeline.errors import SettingsError
from pipeline.files import whole_folder, write_json, write_text
from pipeline.home import Home
from pipeline.objects import LocalFolder, ObjectInfo, open_folder
from pipeline.table import CaptionTable
from serving.plans import Attempt, Counts, Plan, plan_path, run_folder, shard_lines, shard_path
from serving.settings import NightSettings

log = logging.getLogger(__name__)


def plan(settings: NightSettings, home: Home, model: PinnedModel, attempt: Attempt) -> dict[str, Any]:
    """Plan a run, or return the plan it already has.

    A night takes pictures modified before its end that the table lacks, newest first, at most
    `max_images` of them.

    Returns:
        Small JSON: `night`, `run`, `plan` (path of `plan.json`), `shards` (how many) and `counts`.

    Raises:
        SettingsError: the input or the table is unusable, the run was planned for others, or another
            run was published as this night.
        ObjectUnavailable: the input or the table cannot be read.
    """
    path = plan_path(run_folder(home.store, attempt))
    if not path.is_file():
        _write(path.parent, _decide(settings, home, model, attempt))
    made = Plan.read(path)
    _refuse_other_job(made, settings, home)
    log.info("night %s, run %s: %s", made.night, made.run, made.counts)
    return {
        "night": made.night,
        "run": made.run,
        "plan": str(path),
        "shards": len(made.shards),
        "counts": made.counts.model_dump(),
    }


def _decide(settings: NightSettings, home: Home, model: PinnedModel, attempt: Attempt) -> tuple[Plan, list[ObjectInfo]]:
    now = datetime.now(UTC)
    folder = open_folder(settings.input or _inbox(home))
    table = CaptionTable(settings.table or home.captions)
    sequence = table.version()  # before the rows, so that it is never ahead of them
    _refuse_published(table, attempt)
    counts, pictures = _choose(folder, table, settings.max_images, attempt.before)
    sizes = [
        len(pictures[start : start + settings.shard_size]) for start in range(0, len(pictures), settings.shard_size)
    ]
    decided = Plan(
        folder=run_folder(home.store, attempt),
        night=attempt.night,
        run=attempt.run,
        before=attempt.before,
        planned_at=now,
        deadline=settings.deadline(now),
        input=str(folder.root),
        table=table.uri,
        table_version=sequence,
        model=model,
        settings=settings,
        counts=counts,
        shards=tuple(sizes),
    )
    return decided, pictures


def _choose(
    folder: LocalFolder, table: CaptionTable, budget: int | None, before: datetime
) -> tuple[Counts, list[ObjectInfo]]:
    """What to caption, newest first, holding no more of the listing than that in memory."""
    known = set(_known(table))
    tally = {"listed": 0, "unchanged": 0, "later": 0}

    def fresh() -> Iterator[ObjectInfo]:
        for info in folder.list():
            if info.modified >= before:
                tally["later"] += 1
                continue
            tally["listed"] += 1
            if hash((info.uri, info.etag)) in known:
                tally["unchanged"] += 1
            else:
                yield info

    newest = sorted(fresh(), key=_age) if budget is None else heapq.nsmallest(budget, fresh(), key=_age)
    backlog = tally["listed"] - tally["unchanged"] - len(newest)
    return Counts(**tally, planned=len(newest), backlog=backlog, ignored=folder.ignored), newest


def _known(table: CaptionTable) -> Iterator[int]:
    """Hashes, as millions of names would fill the memory; 64 bits meet by chance once in 10^6 such nights."""
    for batch in table.known():
        yield from map(hash, zip(batch["image"].to_pylist(), batch["etag"].to_pylist(), strict=True))


def _age(info: ObjectInfo) -> tuple[float, str]:
    return -info.modified.timestamp(), info.name


def _refuse_other_job(made: Plan, settings: NightSettings, home: Home) -> None:
    """A run that is resumed must not quietly caption another folder than the one asked for."""
    wanted = {
        "input": str(Path(settings.input or home.inbox).resolve()),
        "table": CaptionTable(settings.table or home.captions).uri,
    }
    for name, value in wanted.items():
        if getattr(made, name) != value:
            raise SettingsError(
                f"night {made.night!r}, run {made.run!r} was planned for {name} {getattr(made, name)!r}, not {value!r}; "
                f"name another night"
            )


def _refuse_published(table: CaptionTable, attempt: Attempt) -> None:
    run = table.run_of(attempt.night)
    if run is not None:
        raise SettingsError(
            f"night {attempt.night!r} is already in table {table.uri}, published by run {run!r}; name another night"
        )


def _inbox(home: Home) -> str:
    home.inbox.mkdir(parents=True, exist_ok=True)
    return str(home.inbox)


def _write(target: Path, decided: tuple[Plan, list[ObjectInfo]]) -> None:
    made, pictures = decided
    with whole_folder(target) as scratch:
        start = 0
        for shard, size in enumerate(made.shards):
            write_text(shard_path(scratch, shard), "".join(shard_lines(pictures[start : start + size])))
            start += size
        write_json(scratch / "plan.json", made.model_dump(mode="json"))
