"""The Delta table of corrections: captions that people wrote where a model was wrong."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa

from pipeline.core.errors import SettingsError
from pipeline.storage.tables.delta_log import table_errors
from pipeline.storage.tables.people_table import PeopleTable

log = logging.getLogger(__name__)

CORRECTED = "corrected:"  # begins a snapshot's name of an image that people described after a model had
_LONGEST = 2_000  # characters

_SCHEMA = pa.schema(
    [
        pa.field("image", pa.string(), nullable=False),
        pa.field("caption", pa.string(), nullable=False),
        pa.field("who", pa.string(), nullable=False),
        pa.field("corrected_at", pa.timestamp("us", "UTC"), nullable=False),
    ]
)


@dataclass(frozen=True)
class Correction:
    """A person's caption of an image."""

    image: str  # as the table of captions names it
    caption: str
    who: str  # a name or number of the person
    corrected_at: datetime  # with a time zone

    def __post_init__(self) -> None:
        for name, text in (("image", self.image), ("caption", self.caption), ("who", self.who)):
            if not text.strip() or len(text) > _LONGEST:
                raise SettingsError(f"{name} of a correction has {len(text)} characters; give 1 to {_LONGEST}")
        if self.corrected_at.tzinfo is None:
            raise SettingsError(f"corrected_at is {self.corrected_at}, which has no time zone; add one, such as +00:00")


class CorrectionTable(PeopleTable):
    """Corrections under one local path."""

    schema, folder = _SCHEMA, "corrections"

    def read(self) -> list[Correction]:
        """The newest caption of each person of each image, by image and person."""
        newest: dict[tuple[str, str], Correction] = {}
        for row in sorted(self.rows(), key=lambda each: each["corrected_at"]):
            try:
                newest[row["image"], row["who"]] = Correction(**{name: row[name] for name in _SCHEMA.names})
            except SettingsError as error:
                log.warning("%s: %s by %s is left out: %s", self.uri, row["image"], row["who"], error)
        return [newest[key] for key in sorted(newest)]

    def take_back(self, unwanted: Callable[[Correction], bool]) -> list[Correction]:
        """Remove and return the newest captions of people that are unwanted; older ones count again."""
        taken = [each for each in self.read() if unwanted(each)]
        gone = [vars(each) for each in taken]
        with table_errors(self.uri):
            while self.remove(lambda rows: pa.array([row in gone for row in rows.to_pylist()], pa.bool_())):
                pass
        return taken
