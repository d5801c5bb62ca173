"""Plan a night: select its images and write `plan.json`."""

from __future__ import annotations

import logging
import shutil
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import chain, islice
from pathlib import Path
from typing import Any

from pipeline.core.environment import Home
from pipeline.core.errors import SettingsError
from pipeline.model.interface import PinnedModel
from pipeline.registry.last_known import remember
from pipeline.storage.files import creating_folder, digest_of, explain_full_disk, write_json
from pipeline.storage.forgotten import Forgotten, heeding_forgotten
from pipeline.storage.objects import Folder, ImageCheck, PassedOver, address_of
from pipeline.storage.objects.image_names import rules_digest
from pipeline.storage.objects.s3_address import SCHEME
from pipeline.storage.tables import CaptionTable
from pipeline.storage.tables.passing_troubles import PassingTroubles
from pipeline.storage.tables.replay import Replay
from pipeline.storage.tables.withdraw import withdrawn_by_commit
from serving.planning.cursor import Cursor
from serving.planning.image_hashes import Deduplicator, Hashes, hashes_of
from serving.planning.manifest import Manifest
from serving.planning.newest import Newest
from serving.planning.night_input import open_input, require_mounts
from serving.planning.selection import DayListing, Listing, Selection, WholeListing, days_from
from serving.runs.day_layout import Layout
from serving.runs.lifecycle import RunFolder, held_night, set_aside, shard_path
from serving.runs.places import Places
from serving.runs.plan_file import WRONG_CLOCK, Attempt, Plan
from serving.runs.roots import roots_of, table_of
from serving.runs.settings import NightSettings

log = logging.getLogger(__name__)

MOST_SHARDS = 1000  # of a night: Airflow maps a task over 1,024 at most (`[core] max_map_length`)
# A resumed run does not keep these.
_PER_CALL = frozenset({"accept_quarantine", "accept_drift", "accept_empty", "held_night"})


def plan(settings: NightSettings, home: Home, model: PinnedModel, attempt: Attempt) -> dict[str, Any]:
    """Plan a run, or return the plan it already has.

    A night selects images modified before its end that the table lacks, newest first, at most `max_images` of them.
    However many are listed, few are in memory at once.

    Returns:
        Small JSON: `night`, `run`, `plan` (path of `plan.json`), `shards` (how many) and `counts`.
    """
    run = RunFolder.of(home.store, attempt.night, attempt.run)
    if not _is_planned(run):
        job = _Job.open(settings, home, model, attempt)
        _remove_damaged(run)
        _plan_job(job, run.path.parent)
    made = Plan.read(run.path)
    _refuse_other_job(made, settings, home)
    remember(home, settings.model, model)
    log.info("night %s, run %s: %s", made.night, made.run, made.counts)
    return _as_json(made)


def _is_planned(run: RunFolder) -> bool:
    """Whether a run has a plan, and lists that are whole or not needed any more."""
    return run.has_plan and (run.is_in_table or Plan.read(run.path).has_whole_lists)


def _remove_damaged(run: RunFolder) -> None:
    """Remove a run whose plan or lists a power cut has damaged, with its parts: they are of these lists."""
    if run.path.is_file():
        log.warning("night %s, run %s is planned anew, as its plan is damaged", *run.names)
        with suppress(FileNotFoundError):  # another process was first
            shutil.rmtree(set_aside(run.folder))


def held(home: Home, night: str) -> dict[str, Any]:
    """The plan of a night that is held back, as `plan` returns it; SettingsError if there is none."""
    path = held_night(home.store, night)
    if path is None:
        raise SettingsError(f"no night {night!r} is held back in {home.store / 'nights'}; look for held.json there")
    return _as_json(Plan.read(path))


def asked(settings: NightSettings, home: Home) -> dict[str, Any]:
    """The settings that may not differ when a run is resumed: input, table, selection of images, and model."""
    table = CaptionTable(settings.table or home.captions).uri
    return {"input": address_of(settings.input or home.input), "table": table, **settings.asked()}


def _as_json(made: Plan) -> dict[str, Any]:
    return {
        "night": made.night,
        "run": made.run,
        "plan": str(made.path),
        "shards": len(made.shards),
        "counts": made.counts.model_dump(),
    }


@dataclass(frozen=True)
class _Job:
    """A run to plan: its settings are checked, its input and its table are open."""

    settings: NightSettings
    home: Home
    model: PinnedModel
    attempt: Attempt
    folder: Folder
    table: CaptionTable
    sequence: int
    layout: Layout | None
    cursor: Cursor

    @classmethod
    def open(cls, settings: NightSettings, home: Home, model: PinnedModel, attempt: Attempt) -> _Job:
        table = Places.of(home).require_table(table_of(home, settings.table), settings.accept_empty)
        sequence = table.version()  # before the rows, so that the sequence is never ahead of them
        _refuse_published(table, attempt)
        folder = open_input(settings, home)
        layout = Layout(settings.layout) if settings.layout else None
        withdrawn = withdrawn_by_commit(table) if layout else {}
        cursor = Cursor.read(
            home.store, (folder.uri, table.uri, settings.layout or "", *(settings.exclude or ())), sequence, withdrawn
        )
        return cls(settings, home, model, attempt, folder, table, sequence, layout, cursor)

    def done(self, troubles: PassingTroubles) -> Hashes:
        """Images that need no caption any more; a replay names its images itself."""
        if self.replay is not None:
            return hashes_of(())
        processed = self.table.processed(self.settings.policy, (self.model.name, self.model.version))
        return hashes_of(chain(processed, troubles.ended.to_batches()))

    def troubles(self, now: datetime) -> PassingTroubles:
        """Images that come again because their trouble may have passed; on nights of new images only."""
        if not self.settings.is_ordinary:
            return PassingTroubles.of((), now)
        return self.table.passing_troubles(now)

    @property
    def replay(self) -> Replay | None:
        return self.settings.replay((self.model.name, self.model.version))

    def listing(self) -> Listing:
        settings = self.settings
        if settings.manifest:
            return Manifest(settings.manifest, self.folder, roots_of(self.home), settings.store_patience_s)
        if self.layout and self.cursor.day and settings.is_ordinary:
            days = days_from(self.cursor.day, self.attempt.before, settings.late_days)
            log.info("listing %s from %s to %s", self.folder.uri, *days)
            return DayListing(self.folder, self.layout, *days)
        return WholeListing(self.folder)


def _plan_job(job: _Job, target: Path) -> None:
    """Write `plan.json` and the shards' lists, atomically; then the next night's cursor."""
    selection = _without_forgotten(job, target)
    if job.layout and job.settings.is_ordinary and not job.settings.manifest:
        job.cursor.move(_next_day(selection, job, job.layout))


def _without_forgotten(job: _Job, target: Path) -> Selection:
    """Write the plan again as long as images are forgotten meanwhile.

    `nightcap forget` first adds to the forgotten images, then removes lists that hold them. It cannot see a plan that
    is about to be written, and may take a half written one for the remains of a dead process.
    """
    while True:
        forgotten = Forgotten.of(job.home.store)
        try:
            selection = _write_plan(job, target, forgotten)
        except FileNotFoundError:
            if Forgotten.of(job.home.store) == forgotten:
                raise
        if Forgotten.of(job.home.store) == forgotten:
            return selection
        with suppress(FileNotFoundError):
            shutil.rmtree(set_aside(target))


def _write_plan(job: _Job, target: Path, forgotten: Forgotten) -> Selection:
    now, settings, places = datetime.now(UTC), job.settings, Places.of(job.home)
    nights = job.home.store / "nights"  # which a night may write, though it may only read the rest of the store
    with explain_full_disk(nights), Newest(nights, settings.max_images) as newest:
        replayed = None if job.replay is None else hashes_of(job.table.replayed(job.replay))
        may_repeat = settings.manifest or job.folder.uri.startswith(SCHEME)
        troubles = job.troubles(now)
        passed_over = PassedOver(nights / ".passed_over" / digest_of(job.folder.uri)[:32], rules_digest())
        selection = Selection(
            before=job.attempt.before,
            done=job.done(troubles),
            forgotten=forgotten,
            newest=newest,
            layout=job.layout,
            replayed=replayed,
            deduplicator=Deduplicator() if may_repeat else None,
            due_again=hashes_of(troubles.due.to_batches()),
            later_again=hashes_of(troubles.later.to_batches()),
            check=ImageCheck(job.folder, passed_over),
            latest=max(now, job.attempt.before) + WRONG_CLOCK,
        )
        counts = selection.select(listing := job.listing())
        is_empty = not selection.seen and _is_empty(job, listing)
        if is_empty:
            listed = f"has no image in manifest {settings.manifest}" if settings.manifest else "holds no image"
            places.require("input", job.folder.uri, listed, settings.accept_empty)
        mounts = require_mounts(job.folder, places, settings.accept_empty)
        with heeding_forgotten(job.home.store), creating_folder(target) as scratch:
            sizes = _write_shards(newest, settings.shard_size, scratch)
            made = Plan(
                folder=target.parent,
                night=job.attempt.night,
                run=job.attempt.run,
                before=job.attempt.before,
                planned_at=now,
                deadline=settings.deadline(now),
                input=job.folder.uri,
                table=job.table.uri,
                table_version=job.sequence,
                model=job.model,
                settings=settings,
                counts=counts,
                shards=sizes,
                ignored=selection.ignored.examples,
            )
            write_json(scratch / made.path.name, made.model_dump(mode="json"))
    if is_empty and settings.accept_empty:
        places.accept_empty("input", job.folder.uri)
    is_part = not isinstance(listing, WholeListing)
    passed_over.save(is_whole=not is_part and job.replay is None)
    places.remember("input", job.folder.uri, selection.seen, is_part, mounts)
    if settings.accept_empty and not job.table.is_there():
        places.accept_empty("table", job.table.uri)
    elif not places.find("table", job.table.uri):  # else a publication does
        places.remember("table", job.table.uri, job.table.size())
    return selection


def _is_empty(job: _Job, listing: Listing) -> bool:
    """Whether an input has no image, of which a listing had none."""
    return not (isinstance(listing, DayListing) and any(True for _ in job.folder.list()))


def _next_day(selection: Selection, job: _Job, layout: Layout) -> date | None:
    """The next night's first day, which passes only days that were listed.

    None to list everything: new objects lie outside the layout, or nothing tells which days were listed.
    """
    if selection.outside_layout:
        message = "layout %r does not fit the names of %d new objects in %s; the next night lists everything again"
        log.warning(message, job.settings.layout, selection.outside_layout, job.folder.uri)
        return None
    unlisted = [day for name in selection.unlisted if (day := layout.day(f"{name}/"))]
    days = [job.attempt.before.date(), *unlisted, *([selection.first_day] if selection.first_day else [])]
    if selection.last_day is not None and not any(map(layout.is_above_days, selection.unlisted)):
        return min(days)
    return min(*days, job.cursor.day) if job.cursor.day else None  # as if nothing had been listed


def _write_shards(newest: Newest, size: int, folder: Path) -> tuple[int, ...]:
    """Write lists of `size` images, or larger ones if they were too many; returns the number of images in each."""
    size = max(size, -(-len(newest) // MOST_SHARDS))
    lines, sizes = newest.lines(), list[int]()
    while shard := list(islice(lines, size)):
        shard_path(folder, len(sizes)).write_text("".join(shard), encoding="utf-8")
        sizes.append(len(shard))
    return tuple(sizes)


def _refuse_other_job(made: Plan, settings: NightSettings, home: Home) -> None:
    """A run that is resumed must not quietly caption other images than those asked for, or with another model."""
    planned, wanted = made.asked(), asked(settings, home)
    for name, value in wanted.items():
        if planned[name] != value:
            raise SettingsError(
                f"night {made.night!r}, run {made.run!r} was planned for {name} {planned[name]!r}, not {value!r}; "
                f"name another night"
            )
    kept = [
        f"{name}={value}"
        for name, value in made.settings
        if name not in wanted and name not in _PER_CALL and value != getattr(settings, name)
    ]
    if kept:
        log.warning("night %s goes on as it was planned, with %s", made.night, ", ".join(kept))


def _refuse_published(table: CaptionTable, attempt: Attempt) -> None:
    run = table.run_of(attempt.night)
    if run is not None:
        raise SettingsError(
            f"night {attempt.night!r} is already in table {table.uri}, published by run {run!r}; name another night"
        )
