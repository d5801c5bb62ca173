"""The life cycle of a run's folder: its file names, and how far each tells that the run has come.

nights/<night>/<run>/plan/plan.json      planned: never changes
                     plan/00000.jsonl    one shard's images, a line each
                     reference.json      the model's reference of images and captions
                     parts/00000-0000.parquet    captions, until they are published
                     shards/00000.json   captioned, once every shard has its counts here
                     watch.json          the night's statistics
                     held.json           held back, and why
                     told-held, told-published   its metrics were pushed in that state
                     published.json      published; so the run has ended, as has one without images
                     gallery/, summary.json      reported
"""

from __future__ import annotations

import logging
import shutil
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from pydantic import Field

from pipeline.core.errors import NightRejected
from pipeline.core.settings import Group
from pipeline.storage.files import explain_full_disk, read_json, read_json_if_whole, write_json
from pipeline.storage.trash import Garbage, written_at

if TYPE_CHECKING:
    from serving.runs.plan_file import Plan

log = logging.getLogger(__name__)

LATEST: Final = "latest"
_DAY_S: Final = 86_400
_LEAST_DAYS: Final = 1.0
_LEAST_DAYS_HELD: Final = 7.0


class RunFolder(Group):
    """Where a run's files lie, and which state they tell."""

    folder: Path = Field(exclude=True)

    @classmethod
    def of(cls, store: Path, night: str, run: str) -> Self:
        """The folder of a run, which need not exist."""
        return cls(folder=store / "nights" / night / run)

    @classmethod
    def holding(cls, plan_path: str | Path) -> Self:
        """The folder that a `plan.json` lies in."""
        return cls(folder=Path(plan_path).parents[1])

    @property
    def names(self) -> tuple[str, str]:
        """Night and run."""
        return self.folder.parent.name, self.folder.name

    @property
    def store(self) -> Path:
        """The store that the folder lies in."""
        return self.folder.parents[2]

    @property
    def path(self) -> Path:
        """`plan.json`."""
        return self.folder / "plan" / "plan.json"

    @property
    def has_plan(self) -> bool:
        """Whether `plan.json` is there, and not what a power cut left of it."""
        return read_json_if_whole(self.path) is not None

    @property
    def shard_lists(self) -> list[Path]:
        """The lists of the shards' images."""
        return sorted(self.path.parent.glob("*.jsonl"))

    @property
    def parts(self) -> Path:
        """The folder of captions that are not published."""
        return self.folder / "parts"

    @property
    def published_file(self) -> Path:
        """What `publish` did."""
        return self.folder / "published.json"

    @property
    def summary_file(self) -> Path:
        """The report for programs."""
        return self.folder / "summary.json"

    @property
    def gallery(self) -> Path:
        """The report for people: a folder with a page."""
        return self.folder / "gallery"

    @property
    def has_gallery(self) -> bool:
        """Whether the page is there, and not what a power cut left of it."""
        page = self.gallery / "index.html"
        return page.is_file() and page.read_bytes().rstrip().endswith(b"</html>")

    @property
    def reference_file(self) -> Path:
        """The reference of the model that the shards loaded."""
        return self.folder / "reference.json"

    @property
    def statistics_file(self) -> Path:
        """The night's statistics."""
        return self.folder / "watch.json"

    def shard_file(self, shard: int) -> Path:
        """The counts of a finished shard."""
        return self.folder / "shards" / f"{shard:05d}.json"

    @property
    def is_published(self) -> bool:
        """Whether `publish` has finished; the table may have the captions before."""
        return read_json_if_whole(self.published_file) is not None

    @property
    def is_in_table(self) -> bool:
        """Whether the table has the captions; it says so also of a run whose process died before it noted that."""
        from pipeline.storage.tables import CaptionTable

        night, run = self.names
        return self.is_published or CaptionTable(read_json(self.path)["table"]).run_of(night) == run

    @property
    def has_ended(self) -> bool:
        """Whether a planned run was published, or had nothing to do."""
        return self.is_published or not read_json(self.path)["counts"]["planned"]

    @property
    def hold_message(self) -> str | None:
        """Why the run is held back; None if it is not."""
        file = self.folder / "held.json"
        if not file.is_file() or self.is_published:
            return None
        return str((read_json_if_whole(file) or {"message": f"{file}, which says why, is damaged"})["message"])

    def hold(self, guards: Sequence[str], message: str) -> None:
        """Note that guards hold the run back."""
        content = {"night": self.folder.parent.name, "guards": sorted(guards), "message": message}
        write_json(self.folder / "held.json", content)

    def claim_push(self, published: bool) -> bool:
        """Whether the caller shall push the metrics of this state; of several callers one shall."""
        try:
            (self.folder / f"told-{'published' if published else 'held'}").touch(exist_ok=False)
        except FileExistsError:
            return False
        return True


def claim_name(folder: Path, name: str) -> str:
    """A name in a folder that nobody else has, with `.2` or more at its end if the given one is taken.

    It is claimed by a folder of that name. Of processes that claim one name at once, each gets another.
    """
    tried, numbers = name, count(2)
    with explain_full_disk(folder):
        folder.mkdir(parents=True, exist_ok=True)
        while True:
            try:
                (folder / tried).mkdir()
            except FileExistsError:
                tried = f"{name}.{next(numbers)}"
            else:
                return tried


def planned_runs(store: Path, night: str | None = None) -> list[RunFolder]:
    """Runs that have a whole plan, of one night or of all, by name."""
    nights = (store / "nights").glob("[!.]*") if night is None else [store / "nights" / Path(night).name]
    plans = (path for each in nights if each.name != LATEST for path in each.glob("[!.]*/plan/plan.json"))
    return [run for run in map(RunFolder.holding, sorted(plans)) if run.has_plan]


def shard_path(folder: Path, shard: int) -> Path:
    """The list of a shard's images in a plan's folder."""
    return folder / f"{shard:05d}.jsonl"


def was_published_meanwhile(plan: Plan, *written: Path) -> bool:
    """Whether another attempt has published the run meanwhile; the parts that this one wrote since are removed.

    To be asked after a write: no removal of the folder can have come before the write unseen. `plan` is as it was when
    the attempt began. If the run was removed, and perhaps planned anew, the written files are removed: NightRejected.
    """
    if plan.is_published:
        log.info("night %s, run %s was published by another attempt", plan.night, plan.run)
        shutil.rmtree(plan.parts, ignore_errors=True)
        return True
    try:
        planned_at = read_json(plan.path)["planned_at"]
    except FileNotFoundError:
        planned_at = None
    if planned_at != plan.model_dump(mode="json")["planned_at"]:
        for path in written:
            path.unlink(missing_ok=True)
        raise NightRejected(
            f"night {plan.night!r}, run {plan.run!r} was removed while a shard of it was at work, as `nightcap forget` "
            f"does; the next night captions its images"
        )
    return False


def held_night(store: Path, night: str) -> Path | None:
    """The plan of the run of a night that is held back, the last one planned."""
    paths = [run.path for run in planned_runs(store, night) if run.hold_message is not None]
    return max(paths, key=lambda path: str(read_json(path)["planned_at"]), default=None)


def unreported_runs(store: Path) -> Iterator[RunFolder]:
    """Runs with images that were not reported; the table may have their captions, if their process died."""
    for run in planned_runs(store):
        is_told = run.is_published and read_json_if_whole(run.summary_file) is not None
        if not is_told and read_json(run.path)["counts"]["planned"]:
            yield run


def open_models(store: Path) -> frozenset[str]:
    """Digests of the models that planned and unpublished nights have pinned, held ones among them."""
    return frozenset(read_json(run.path)["model"]["digest"] for run in planned_runs(store) if not run.has_ended)


def ended_nights(store: Path, since: float) -> Iterator[Garbage]:
    """The files of runs that have ended and were not written to after a moment, in seconds since 1970."""
    for run in planned_runs(store):
        night = run.folder.parent
        folder = night if [*night.iterdir()] == [run.folder] else run.folder
        if run.has_ended and written_at(folder) < since:
            yield Garbage("night", (folder,), written_at(folder), since)


def clear_attempts(store: Path, keep_days: float) -> int:
    """Remove unpublished runs, runs without a plan, parts of published runs, and scratch folders; returns their number.

    Only those that were not written to for `keep_days`: a day at least, as a night at work may be silent for hours, and
    a week at least for runs that are held back, which wait for a person.
    """
    before, held_before = (time.time() - max(keep_days, least) * _DAY_S for least in (_LEAST_DAYS, _LEAST_DAYS_HELD))
    runs = planned_runs(store)
    unpublished = [run.folder for run in runs if not run.has_ended]
    held = {run.folder for run in runs if run.hold_message is not None}
    leftover_parts = [run.parts for run in runs if run.is_published and run.parts.exists()]
    unplanned = [path for path in unplanned_runs(store) if not RunFolder(folder=path).is_published]
    candidates = (*unpublished, *unplanned, *leftover_parts, *scratch_folders(store))
    stale = [path for path in candidates if written_at(path) < (held_before if path in held else before)]
    stale = [path for path in stale if path not in unpublished or not RunFolder(folder=path).is_in_table]
    for path in stale:
        log.info("removing %s, last written to %.1f days ago", path, (time.time() - written_at(path)) / _DAY_S)
        shutil.rmtree(set_aside(path), ignore_errors=True)
    for night in store.glob("nights/[!.]*"):
        if night.name != LATEST and written_at(night) < before:
            with suppress(OSError):  # only an empty one goes: a name that was claimed and never planned
                night.rmdir()
    return len(stale)


def set_aside(run: Path) -> Path:
    """Rename the folder of a run, or one in it, to a scratch name: half of it is never resumed if its removal stops."""
    if run.name.startswith("."):
        return run
    return run.rename(run.with_name(f".{run.name[:80]}.{uuid.uuid4().hex}"))


def unplanned_runs(store: Path) -> Iterator[Path]:
    """Folders of runs without a whole plan: it is being made or damaged, or a shard wrote after the run was removed."""
    for run in store.glob("nights/[!.]*/[!.]*"):
        if run.parent.name != LATEST and run.is_dir() and not RunFolder(folder=run).has_plan:
            yield run


def scratch_folders(store: Path) -> Iterator[Path]:
    """Folders of nights that are half written or half removed."""
    for night in store.glob("nights/[!.]*"):
        if night.name != LATEST:
            yield from (path for path in (*night.glob(".*"), *night.glob("[!.]*/.*")) if path.is_dir())
