"""The Delta table of reviews: what people said of models' captions, also where they left the words as they were."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

import pyarrow as pa

from pipeline.storage.tables.corrections import CorrectionTable
from pipeline.storage.tables.people_table import PeopleTable

Decision = Literal["accepted", "edited", "rejected", "taken back"]

_SCHEMA = pa.schema(
    [
        pa.field("image", pa.string(), nullable=False),
        pa.field("model_name", pa.string()),
        pa.field("model_version", pa.string()),
        pa.field("night", pa.string()),
        pa.field("decision", pa.string(), nullable=False),
        pa.field("distance", pa.int32()),
        pa.field("audited", pa.bool_(), nullable=False),
        pa.field("blind", pa.bool_(), nullable=False),
        pa.field("who", pa.string(), nullable=False),
        pa.field("reviewed_at", pa.timestamp("us", "UTC"), nullable=False),
    ]
)


@dataclass(frozen=True)
class CaptionReview:
    """What a person said of a model's caption."""

    image: str  # as the table of captions names it
    model_name: str | None
    model_version: str | None
    night: str | None  # that published the caption
    decision: Decision
    who: str
    reviewed_at: datetime  # with a time zone
    distance: int | None = None  # words that the person's own caption changes, adds or leaves out
    audited: bool = False  # whether an audit drew the image at random, so that it counts for its version
    blind: bool = False  # whether the person wrote before the model's words were shown

    @property
    def key(self) -> tuple[str, str | None, str | None, str | None]:
        """The caption that the review is of: of each, the newest review counts."""
        return self.image, self.model_name, self.model_version, self.night


class ReviewTable(PeopleTable):
    """Reviews under one local path; none is ever changed."""

    schema, folder = _SCHEMA, "reviews"

    def read(self) -> list[CaptionReview]:
        """Of each caption the newest review that its person has not taken back; oldest first."""
        rows = sorted(self.rows(), key=lambda each: each["reviewed_at"])
        reviews = [CaptionReview(**{name: row[name] for name in _SCHEMA.names}) for row in rows]
        standing = [
            each for each in _newest(reviews, lambda each: (each.key, each.who)) if each.decision != "taken back"
        ]
        return _newest(standing, lambda each: each.key)


def _newest(reviews: Iterable[CaptionReview], key: Callable[[CaptionReview], Hashable]) -> list[CaptionReview]:
    """The last review of each key, in their order."""
    newest: dict[Hashable, CaptionReview] = {}
    for review in reviews:
        newest.pop(key(review), None)
        newest[key(review)] = review
    return list(newest.values())


def said_by_people(store: Path) -> tuple[PeopleTable, ...]:
    """All tables of what people said, which need not exist yet."""
    return CorrectionTable.of(store), ReviewTable.of(store)
