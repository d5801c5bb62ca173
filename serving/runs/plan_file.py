"""A planned run: what it is called, what it will caption, and where its files lie.

nights/<night>/<run>/plan/plan.json      what was decided; never changes
                     plan/00000.jsonl    one shard's images, a line each
                     parts/00000-0000.parquet    captions, until they are published
                     shards/00000.json   one finished shard's counts
                     reference.json      what the model's captions and images usually are like
                     watch.json, held.json       what the night was like; why it is not published
                     told-held, told-published   who watches from outside has been told
                     published.json, summary.json, gallery/
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import Field

from pipeline.core.errors import ObjectUnavailable, SettingsError
from pipeline.core.settings import Group
from pipeline.model.interface import PinnedModel
from pipeline.storage.files import read_json
from pipeline.storage.objects import Folder, ObjectInfo, open_folder
from serving.runs.settings import NightSettings

_SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.~:+-]{0,199}")
LATEST = "latest"


@dataclass(frozen=True)
class Attempt:
    """One try at one night.

    A night is published once; `run` names who tries, and a retry under the same run resumes. So
    that a second run on the same day is a night of its own, a night is by default called by its
    moment, not by its date.

    Attributes:
        night: what is published, such as `2026-03-01T020000Z`.
        run: who tries, such as Airflow's run id.
        before: only images last modified before this aware moment belong to it.
    """

    night: str
    run: str
    before: datetime

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
        """The night that ends at an aware moment.

        Args:
            moment: a schedule's interval end, or the time a person started it.
            night: another name for the night.
            run: Airflow's run id; by default one by which the same night is resumed.
        """
        night = night or f"{moment.astimezone(UTC):%Y-%m-%dT%H%M%SZ}"
        return cls(night, run or f"manual__{night}", moment)


class PlanCounts(Group):
    """Where the listed images went; listed = unchanged + planned + backlog.

    Attributes:
        listed: images found that were modified before the night's end.
        unchanged: of these, known to the table with the same etag.
        planned: to be captioned in this run.
        backlog: left for later nights, beyond `max_images`.
        ignored: other files, and what a manifest names once more.
        later: images modified after the night's end.
    """

    listed: int
    unchanged: int
    planned: int
    backlog: int
    ignored: int
    later: int


class Plan(Group):
    """What was decided when a run was planned.

    Attributes:
        folder: the run's.
        input: folder of images, or `s3://bucket/prefix`.
        table: path of the Delta table.
        table_version: its writer sequence when it was read.
        deadline: no part is begun after it.
        shards: images in each shard.
    """

    folder: Path = Field(exclude=True)
    night: str
    run: str
    before: datetime
    planned_at: datetime
    deadline: datetime | None
    input: str
    table: str
    table_version: int
    model: PinnedModel
    settings: NightSettings
    counts: PlanCounts
    shards: tuple[int, ...]

    @classmethod
    def read(cls, path: str | Path) -> Plan:
        """A plan from its `plan.json`.

        Raises:
            SettingsError: there is none.
        """
        path = Path(path)
        if not path.is_file():
            raise SettingsError(f"no plan at {path}; plan the night first")
        return cls.model_validate(read_json(path) | {"folder": path.parent.parent})

    @property
    def path(self) -> Path:
        """Where `plan.json` is."""
        return plan_path(self.folder)

    def asked(self) -> dict[str, Any]:
        """What it was planned for, to be compared with what `serving.planning.plan.asked` says of a call."""
        return {"input": self.input, "table": self.table, **self.settings.asked()}

    @property
    def parts(self) -> Path:
        """The folder of what is captioned but not published."""
        return self.folder / "parts"

    @property
    def published_file(self) -> Path:
        """Where publish writes what it did."""
        return self.folder / "published.json"

    @property
    def reference_file(self) -> Path:
        """Where shards note what the model's captions and images usually are like."""
        return self.folder / "reference.json"

    @property
    def watch_file(self) -> Path:
        """Where the night's figures are written."""
        return self.folder / "watch.json"

    def open_input(self) -> Folder:
        """The folder of images.

        Raises:
            ObjectUnavailable: a local one is not there any more.
        """
        try:
            return open_folder(self.input, self.settings.store_patience_s, self.settings.readers)
        except SettingsError as error:
            raise ObjectUnavailable(f"{error}; it was there when the night was planned") from error

    def name_of(self, image: str) -> str:
        """An image's name under the input."""
        return image.removeprefix(self.input.rstrip("/") + "/")

    def images(self, shard: int) -> list[ObjectInfo]:
        """One shard's images."""
        with shard_path(self.path.parent, shard).open(encoding="utf-8") as lines:
            return [_object(line) for line in lines]

    def part_files(self, shard: int) -> list[Path]:
        """Where the shard's parts are written, in the order of its images."""
        count = -(-self.shards[shard] // self.settings.part_size)
        return [self.parts / f"{shard:05d}-{part:04d}.parquet" for part in range(count)]

    def shard_file(self, shard: int) -> Path:
        """Where the shard's counts are written."""
        return self.folder / "shards" / f"{shard:05d}.json"


def run_folder(store: Path, attempt: Attempt) -> Path:
    """Where a run's files lie."""
    return store / "nights" / attempt.night / attempt.run


def store_of(folder: Path) -> Path:
    """The store that a run's folder lies in."""
    return folder.parents[2]


def plan_path(folder: Path) -> Path:
    """Where a run's plan lies."""
    return folder / "plan" / "plan.json"


def night_of(path: str | Path) -> str:
    """The name of the night that a `plan.json` is of, without reading it."""
    return Path(path).parents[2].name


def shard_path(folder: Path, shard: int) -> Path:
    """Where a shard's images are listed, given the plan's folder."""
    return folder / f"{shard:05d}.jsonl"


def shard_line(info: ObjectInfo) -> str:
    """An image as a line of JSON; names that are no UTF-8 survive as escapes."""
    return json.dumps([info.name, info.uri, info.etag, info.size, info.modified.isoformat()]) + "\n"


def _object(line: str) -> ObjectInfo:
    name, uri, etag, size, modified = json.loads(line)
    return ObjectInfo(name, uri, etag, size, datetime.fromisoformat(modified))
