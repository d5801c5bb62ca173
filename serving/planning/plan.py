"""Decide what a night captions, with which model, and write it down."""

from __future__ import annotations

import logging
import shutil
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import islice
from pathlib import Path
from typing import Any

from pipeline.core.environment import Home
from pipeline.core.errors import SettingsError
from pipeline.model.interface import PinnedModel
from pipeline.registry.last_known import remember
from pipeline.storage.files import creating_folder, explain_full_disk, write_json
from pipeline.storage.forgotten import Forgotten
from pipeline.storage.objects import Folder, address_of, open_folder, require_inside
from pipeline.storage.tables import CaptionTable
from pipeline.storage.tables.replay import Replay
from pipeline.storage.tables.withdraw import withdrawn_by_commit
from serving.planning.cursor import Cursor
from serving.planning.manifest import Manifest
from serving.planning.newest import Newest
from serving.planning.seen import Met, SeenImages, hashes_of
from serving.planning.selection import DayListing, Listing, Selection, WholeListing, days_from
from serving.runs.day_layout import Layout
from serving.runs.lifecycle import RunFolder, held_night, set_aside, shard_path
from serving.runs.plan_file import Attempt, Plan, PlanCounts
from serving.runs.roots import roots_of, table_of
from serving.runs.settings import NightSettings

log = logging.getLogger(__name__)

MOST_SHARDS = 1000
"""Of a night: Airflow maps a task over 1,024 at most (`[core] max_map_length`)."""

_NEVER_KEPT = frozenset({"accept_quarantine", "accept_drift", "held_night"})  # each call says these for itself


def plan(settings: NightSettings, home: Home, model: PinnedModel, attempt: Attempt) -> dict[str, Any]:
    """Plan a run, or return the plan it already has.

    A night takes images modified before its end that the table lacks, newest first, at most
    `max_images` of them. However many are listed, few are in memory at once.

    Returns:
        Small JSON: `night`, `run`, `plan` (path of `plan.json`), `shards` (how many) and `counts`.

    Raises:
        SettingsError: the input or the table is unusable or lies outside the roots, the run was
            planned for others, or another run was published as this night.
        ObjectUnavailable: the input or the table cannot be read.
    """
    path = RunFolder.of(home.store, attempt.night, attempt.run).path
    if not path.is_file():
        _make(_Job.open(settings, home, model, attempt), path.parent)
    made = Plan.read(path)
    _refuse_other_job(made, settings, home)
    remember(home, settings.model, model)
    log.info("night %s, run %s: %s", made.night, made.run, made.counts)
    return _told(made)


def held(home: Home, night: str) -> dict[str, Any]:
    """The plan of a night that was held back, as `plan` returns it.

    Raises:
        SettingsError: no such night waits.
    """
    path = held_night(home.store, night)
    if path is None:
        raise SettingsError(f"no night {night!r} is held back in {home.store / 'nights'}; look for held.json there")
    return _told(Plan.read(path))


def asked(settings: NightSettings, home: Home) -> dict[str, Any]:
    """What makes a night another job: its input, its table, which images it takes, with which model."""
    table = CaptionTable(settings.table or home.captions).uri
    return {"input": address_of(settings.input or home.input), "table": table, **settings.asked()}


def _told(made: Plan) -> dict[str, Any]:
    return {
        "night": made.night,
        "run": made.run,
        "plan": str(made.path),
        "shards": len(made.shards),
        "counts": made.counts.model_dump(),
    }


@dataclass(frozen=True)
class _Job:
    """What is to be planned, with what it needs opened and found allowed."""

    settings: NightSettings
    home: Home
    model: PinnedModel
    attempt: Attempt
    folder: Folder
    table: CaptionTable
    sequence: int

    @classmethod
    def open(cls, settings: NightSettings, home: Home, model: PinnedModel, attempt: Attempt) -> _Job:
        table = table_of(home, settings.table)
        sequence = table.version()  # before the rows, so that it is never ahead of them
        _refuse_published(table, attempt)
        return cls(settings, home, model, attempt, _open_input(settings, home), table, sequence)

    @property
    def replay(self) -> Replay | None:
        return self.settings.replay((self.model.name, self.model.version))


def _make(job: _Job, target: Path) -> None:
    """Write `plan.json` and the shards' lists, all or nothing; then the next night's cursor."""
    layout = Layout(job.settings.layout) if job.settings.layout else None
    cursor = _cursor(job)
    choice = _without_forgotten(job, target, layout, cursor)
    if layout and job.settings.is_ordinary and not job.settings.manifest:
        cursor.move(_next_day(choice, job))


def _without_forgotten(job: _Job, target: Path, layout: Layout | None, cursor: Cursor) -> Selection:
    """Write the plan again as long as images are forgotten meanwhile.

    `nightcap forget` adds to the list, then removes lists with its images: a plan may be too early to be seen, and
    half of one may be taken for what a dead process left.
    """
    while True:
        forgotten = Forgotten.of(job.home.store)
        try:
            choice = _write_plan(job, target, forgotten, layout, cursor)
        except FileNotFoundError:
            if Forgotten.of(job.home.store) == forgotten:
                raise
        if Forgotten.of(job.home.store) == forgotten:
            return choice
        with suppress(FileNotFoundError):
            shutil.rmtree(set_aside(target))


def _write_plan(job: _Job, target: Path, forgotten: Forgotten, layout: Layout | None, cursor: Cursor) -> Selection:
    now, settings = datetime.now(UTC), job.settings
    with explain_full_disk(job.home.store), Newest(job.home.store, settings.max_images) as newest:
        met = Met() if settings.manifest else None
        choice = Selection(job.attempt.before, _known(job), forgotten, newest, layout, _wanted(job), met)
        counts = choice.go_through(_listing(job, layout, cursor))
        with creating_folder(target) as scratch:
            sizes = _write_shards(newest, settings.shard_size, scratch)
            write_json(scratch / "plan.json", _decided(job, now, counts, sizes).model_dump(mode="json"))
    return choice


def _cursor(job: _Job) -> Cursor:
    of = (job.folder.uri, job.table.uri, job.settings.layout or "")
    return Cursor.read(job.home.store, of, job.sequence, withdrawn_by_commit(job.table) if job.settings.layout else {})


def _known(job: _Job) -> SeenImages:
    if job.replay is not None:
        return hashes_of(())
    return hashes_of(job.table.processed(job.settings.policy, (job.model.name, job.model.version)))


def _wanted(job: _Job) -> SeenImages | None:
    return None if job.replay is None else hashes_of(job.table.replayed(job.replay))


def _listing(job: _Job, layout: Layout | None, cursor: Cursor) -> Listing:
    settings = job.settings
    if settings.manifest:
        return Manifest(settings.manifest, job.folder, roots_of(job.home), settings.store_patience_s)
    if layout and cursor.day and settings.is_ordinary:
        days = days_from(cursor.day, job.attempt.before, settings.late_days)
        log.info("listing %s from %s to %s", job.folder.uri, *days)
        return DayListing(job.folder, layout, *days)
    return WholeListing(job.folder)


def _next_day(choice: Selection, job: _Job) -> date | None:
    """Where the next night begins; None while something is new that no list of days would find."""
    if choice.strays:
        log.warning(
            "layout %r does not fit the names of %d new objects in %s; the next night lists everything again",
            job.settings.layout,
            choice.strays,
            job.folder.uri,
        )
        return None
    until = job.attempt.before.date()
    return min(choice.oldest or until, until)


def _write_shards(newest: Newest, size: int, folder: Path) -> tuple[int, ...]:
    """Write the lists, of `size` images unless they would be too many, and tell how many each has."""
    size = max(size, -(-len(newest) // MOST_SHARDS))
    lines, sizes = newest.lines(), list[int]()
    while shard := list(islice(lines, size)):
        shard_path(folder, len(sizes)).write_text("".join(shard), encoding="utf-8")
        sizes.append(len(shard))
    return tuple(sizes)


def _decided(job: _Job, now: datetime, counts: PlanCounts, sizes: tuple[int, ...]) -> Plan:
    return Plan(
        folder=RunFolder.of(job.home.store, job.attempt.night, job.attempt.run).folder,
        night=job.attempt.night,
        run=job.attempt.run,
        before=job.attempt.before,
        planned_at=now,
        deadline=job.settings.deadline(now),
        input=job.folder.uri,
        table=job.table.uri,
        table_version=job.sequence,
        model=job.model,
        settings=job.settings,
        counts=counts,
        shards=sizes,
    )


def _open_input(settings: NightSettings, home: Home) -> Folder:
    if settings.input is None and not home.images:
        home.inbox.mkdir(parents=True, exist_ok=True)
    uri = settings.input or home.input
    require_inside(uri, roots_of(home))
    if settings.output is not None:
        require_inside(settings.output, roots_of(home))
    return open_folder(uri, settings.store_patience_s)


def _refuse_other_job(made: Plan, settings: NightSettings, home: Home) -> None:
    """A run that is resumed must not quietly caption other images than those asked for, or with another model."""
    planned, wanted = made.asked(), asked(settings, home)
    for name, value in wanted.items():
        if planned[name] != value:
            raise SettingsError(
                f"night {made.night!r}, run {made.run!r} was planned for {name} {planned[name]!r}, not {value!r}; "
                f"name another night"
            )
    kept = {name: value for name, value in made.settings if name not in wanted and name not in _NEVER_KEPT}
    others = [f"{name}={value}" for name, value in kept.items() if value != getattr(settings, name)]
    if others:
        log.warning("night %s goes on as it was planned, with %s", made.night, ", ".join(others))


def _refuse_published(table: CaptionTable, attempt: Attempt) -> None:
    run = table.run_of(attempt.night)
    if run is not None:
        raise SettingsError(
            f"night {attempt.night!r} is already in table {table.uri}, published by run {run!r}; name another night"
        )
