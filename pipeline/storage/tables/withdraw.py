"""Changes to rows that are there: a version's captions withdrawn, an image's rows removed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.storage.tables.captions import CaptionTable
from pipeline.storage.tables.schema import CAPTIONED, MODEL, one_of


def withdraw(table: CaptionTable, name: str, version: str) -> int:
    """Mark a version's captions withdrawn, so that each image falls back to the one before; tell how many.

    What then has no caption left is captioned by a later night. What people wrote stays.

    Raises:
        PublishConflict: nights kept publishing first.
    """
    stands = (
        (pc.field("model_name") == name)
        & (pc.field("model_version") == version)
        & (pc.field("status") == CAPTIONED)
        & (pc.field("source") == MODEL)
        & ~pc.field("withdrawn")
    )
    count = sum(len(batch) for batch in table.batches(stands, ["image"]))
    if count:
        table.rewrite(lambda batch: _withdrawn(batch, name, version))
    table.write_current()
    return count


def withdrawn(table: CaptionTable) -> dict[str, int]:
    """How many rows of each commit are withdrawn, by its number as text: whatever was withdrawn since shows in it."""
    counts: Counter[str] = Counter()
    for batch in table.batches(pc.field("withdrawn"), ["sequence"]):
        counts.update(map(str, batch["sequence"].to_pylist()))
    return dict(counts)


def erase(table: CaptionTable, images: Collection[str]) -> int:
    """Remove every row of some images from both tables, and tell how many went from the history.

    The rows are still in the files of earlier versions; `upkeep.purge` removes these. The history is
    committed anew even if it has no such row: a run about to publish one has then to look again at
    what is forgotten.

    Raises:
        PublishConflict: nights kept publishing first.
    """
    count = sum(len(batch) for batch in table.batches(one_of("image", images), ["image"]))
    gone = pa.array(sorted(images), pa.string())
    table.rewrite(lambda batch: batch.filter(pc.invert(pc.is_in(batch["image"], value_set=gone))))
    table.write_current()
    return count


def _withdrawn(batch: pa.RecordBatch, name: str, version: str) -> pa.RecordBatch:
    same = pc.and_kleene(pc.equal(batch["model_name"], name), pc.equal(batch["model_version"], version))
    captions = pc.and_(pc.equal(batch["status"], CAPTIONED), pc.equal(batch["source"], MODEL))
    column = batch.schema.get_field_index("withdrawn")
    marked = pc.or_(batch["withdrawn"], pc.and_(pc.fill_null(same, False), captions))
    return batch.set_column(column, batch.schema.field(column), marked)
