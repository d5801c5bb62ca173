"""People's captions in the table of captions: rows with the source `human`, beside those of the nights."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from pipeline.storage.tables.captions import CaptionTable
from pipeline.storage.tables.corrections import Correction
from pipeline.storage.tables.schema import CAPTIONED, HUMAN, SCHEMA, USABLE, one_of
from pipeline.storage.tables.withdraw import marked_withdrawn

_OF_THE_FILE = ["etag", "sha256", "width", "height"]
_KEY = ("image", "who", "caption", "captioned_at")


def add_human_captions(table: CaptionTable, corrections: Iterable[Correction]) -> set[str]:
    """Append each person's newest caption of an image where the table has another or none; returns the images.

    The captions are current at once, and no night replaces them. An image that no night has seen gets an empty etag.
    """
    expected = table.version()
    wanted = {(each.image, each.who): each for each in corrections}
    said = _newest(table, {image for image, _ in wanted})
    missing = [each for key, each in wanted.items() if said.get(key) != (each.corrected_at, each.caption)]
    seen = _files(table, {each.image for each in missing})
    rows = [_row(each, seen.get(each.image, {"etag": ""})) for each in missing]
    table.append(pa.Table.from_pylist(rows, SCHEMA), expected, _KEY)
    table.write_current()
    return {each.image for each in missing}


def withdraw_human_captions(table: CaptionTable, corrections: Collection[Correction]) -> int:
    """Mark people's captions withdrawn, so that each image falls back to the caption before; returns how many."""
    taken = {_key(vars(each) | {"captioned_at": each.corrected_at}) for each in corrections}
    images = {each.image for each in corrections}
    named = pa.array(sorted(images), pa.string())

    def is_taken(batch: pa.RecordBatch) -> pa.Array:
        if not pc.any(pc.is_in(batch["image"], value_set=named)).as_py():  # as in nearly all of a long history
            return pa.repeat(False, len(batch))
        rows = batch.select([*_KEY, "source", "withdrawn"]).to_pylist()
        return pa.array(
            [row["source"] == HUMAN and not row["withdrawn"] and _key(row) in taken for row in rows], pa.bool_()
        )

    found = table.batches(_by_people(images), [*_KEY, "source", "withdrawn"])
    count = sum(sum(is_taken(batch).to_pylist()) for batch in found)
    if count:
        table.rewrite(lambda batch: marked_withdrawn(batch, is_taken(batch)))
    table.write_current()
    return count


def corrections_in(table: CaptionTable) -> list[Correction]:
    """The corrections whose captions are in a table and not withdrawn, the oldest first."""
    rows = _oldest_first(table, USABLE & (pc.field("source") == HUMAN) & pc.field("who").is_valid(), [*_KEY])
    return [Correction(row["image"], row["caption"], row["who"], row["captioned_at"]) for row in rows]


def _by_people(images: Collection[str]) -> ds.Expression:
    return USABLE & (pc.field("source") == HUMAN) & one_of("image", images)


def _newest(table: CaptionTable, images: Collection[str]) -> dict[tuple[str, str], tuple[datetime, str]]:
    """By image and person: when the newest caption was written, and its words."""
    rows = _oldest_first(table, _by_people(images), [*_KEY])
    return {(row["image"], row["who"]): (row["captioned_at"], row["caption"]) for row in rows}


def _files(table: CaptionTable, images: Collection[str]) -> dict[str, dict[str, Any]]:
    """What the newest row of each image says of its file."""
    rows = _oldest_first(table, one_of("image", images), ["image", *_OF_THE_FILE])
    return {row["image"]: {name: row[name] for name in _OF_THE_FILE} for row in rows}


def _oldest_first(table: CaptionTable, condition: ds.Expression, columns: list[str]) -> Iterator[dict[str, Any]]:
    yield from reversed(table.newest_first(condition, columns).to_pylist())


def _row(correction: Correction, file: dict[str, Any]) -> dict[str, Any]:
    return {
        **file,
        "image": correction.image,
        "status": CAPTIONED,
        "caption": correction.caption,
        "source": HUMAN,
        "captioned_at": correction.corrected_at,
        "withdrawn": False,
        "who": correction.who,
    }


def _key(row: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(row[name] for name in _KEY)
