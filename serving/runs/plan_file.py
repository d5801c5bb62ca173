"""A planned run: its attempt, and what `plan.json` and the lists of its shards say."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from pipeline.core.errors import FileDamaged, ObjectUnavailable, SettingsError
from pipeline.core.settings import Group
from pipeline.model.interface import PinnedModel
from pipeline.storage.files import read_json
from pipeline.storage.objects import Folder, ObjectInfo, open_folder
from serving.runs.lifecycle import LATEST, RunFolder, shard_path
from serving.runs.places import Places
from serving.runs.settings import NightSettings

log = logging.getLogger(__name__)

if TYPE_CHECKING:
    from pipeline.storage.tables import CaptionTable

WRONG_CLOCK = timedelta(1)  # a file whose time is further ahead than this has it from a wrong clock

_SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.~:+-]{0,199}")


@dataclass(frozen=True)
class Attempt:
    """One try at one night.

    A night is published once, and a retry under the same run resumes. By default a night is named by its moment, not
    its date: a second run on the same day is another night.
    """

    night: str  # such as `2026-03-01T020000Z`
    run: str  # such as Airflow's run id
    before: datetime  # only images last modified before this aware moment belong to the night

    def __post_init__(self) -> None:
        for name, value in (("night", self.night), ("run", self.run)):
            if not _SAFE.fullmatch(value) or value == LATEST:
                raise SettingsError(
                    f"{name} {value!r} cannot name a folder; use up to 200 letters, digits and _.~:+- after a letter "
                    f"or digit, other than {LATEST!r}"
                )
        if self.before.tzinfo is None:
            raise SettingsError(f"before is {self.before.isoformat()}, which has no time zone; add one")

    @classmethod
    def at(cls, moment: datetime, night: str | None = None, run: str | None = None) -> Attempt:
        """The night that ends at an aware moment; by default its names follow from the moment."""
        night = night or f"{moment.astimezone(UTC):%Y-%m-%dT%H%M%SZ}"
        return cls(night, run or f"manual__{night}", moment)


class PlanCounts(Group):
    """Where the listed images went; listed = unchanged + planned + backlog."""

    listed: int  # modified before the night's end
    unchanged: int  # of these, in the table with the same etag
    planned: int
    backlog: int  # left for later nights, beyond `max_images`
    ignored: int  # other files, and rows that a manifest repeats
    later: int  # modified after the night's end
    again: int = 0  # selected although quarantined before, for a reason of the moment
    ignored_reasons: dict[str, int] = Field({})  # by a code of `IGNORED_REASONS`


class Plan(RunFolder):
    """A planned run: its folder, and `plan.json`."""

    night: str
    run: str
    before: datetime
    planned_at: datetime
    deadline: datetime | None  # no part is begun after it
    input: str  # a folder or `s3://bucket/prefix`
    table: str  # path of the Delta table
    table_version: int  # its writer sequence when it was read
    model: PinnedModel
    settings: NightSettings
    counts: PlanCounts
    shards: tuple[int, ...]  # images in each
    ignored: dict[str, list[str]] = Field({})  # the first files that were ignored, by reason

    @classmethod
    def read(cls, path: str | Path) -> Plan:
        """A plan from its `plan.json`; SettingsError if there is none."""
        path = Path(path)
        if not path.is_file():
            raise SettingsError(f"no plan at {path}; plan the night first")
        content = read_json(path, "plan the night again under its name, or let the next night caption its images")
        return cls.model_validate(content | {"folder": path.parent.parent})

    def asked(self) -> dict[str, Any]:
        """The settings that may not differ when the run is resumed, as `serving.planning.plan.asked` has them."""
        return {"input": self.input, "table": self.table, **self.settings.asked()}

    def open_input(self) -> Folder:
        """The folder of images; ObjectUnavailable if a local one is not there any more, or its path leads elsewhere."""
        try:
            folder = open_folder(self.input, self.settings.store_patience_s, self.settings.readers)
        except SettingsError as error:
            raise ObjectUnavailable(f"{error}; it was there when the night was planned") from error
        if folder.uri != self.input:
            raise ObjectUnavailable(
                f"input {self.input} leads to {folder.uri} by a link that was not there when the night was planned, "
                f"or on the machine that planned it; put the folder back, give all workers the same path, or let the "
                f"next night caption its images"
            )
        return folder

    def open_table(self) -> CaptionTable:
        """The table of captions; ObjectUnavailable if it held rows and is not there any more."""
        from pipeline.storage.tables import CaptionTable

        return Places.in_store(self.store).require_table(CaptionTable(self.table))

    def name_of(self, image: str) -> str:
        """An image's name under the input."""
        return image.removeprefix(self.input.rstrip("/") + "/")

    def images(self, shard: int) -> list[ObjectInfo]:
        """The images of one shard of an unpublished run; FileDamaged if its list is not as it was planned."""
        path = shard_path(self.path.parent, shard)
        images = list(_objects(path))
        if len(images) != self.shards[shard]:
            raise FileDamaged(
                f"{path} names {len(images)} of {self.shards[shard]} images, as a power cut leaves a list; plan the night "
                f"again under its name, or let the next night caption its images"
            )
        return images

    def listed(self) -> Iterator[ObjectInfo]:
        """The images that the lists name; images that were forgotten, and what a power cut left of a line, are not."""
        return (image for path in self.shard_lists for image in _objects(path))

    @property
    def has_whole_lists(self) -> bool:
        """Whether the lists of an unpublished run are as they were planned."""
        try:
            return all(self.images(shard) for shard in range(len(self.shards)))
        except (FileDamaged, FileNotFoundError) as error:
            log.warning("%s", error)
            return False

    def part_files(self, shard: int) -> list[Path]:
        """Where the shard's parts are written, in the order of its images."""
        count = -(-self.shards[shard] // self.settings.part_size)
        return [self.parts / f"{shard:05d}-{part:04d}.parquet" for part in range(count)]


def night_of(path: str | Path) -> str:
    """The name of the night that a `plan.json` is of, without reading it."""
    return Path(path).parents[2].name


def shard_line(info: ObjectInfo) -> str:
    """An image as a line of JSON; names that are no UTF-8 survive as escapes."""
    return json.dumps([info.name, info.uri, info.etag, info.size, info.modified.isoformat()]) + "\n"


def _objects(path: Path) -> Iterator[ObjectInfo]:
    """The images that a list names; a line that is no whole one is logged."""
    with path.open("rb") as lines:
        for line in lines:
            try:
                name, uri, etag, size, modified = json.loads(line)
            except ValueError as error:
                log.warning("%s has a line that is cut, and goes on without it: %s", path, error)
            else:
                yield ObjectInfo(name, uri, etag, size, datetime.fromisoformat(modified))
