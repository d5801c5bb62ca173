"""Changes of committed rows: a version's captions withdrawn, an image's rows removed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.storage.tables.captions import CaptionTable
from pipeline.storage.tables.schema import CAPTIONED, MODEL, one_of
from pipeline.storage.tables.usage import written_by


def withdraw(table: CaptionTable, name: str, version: str) -> int:
    """Mark a version's captions withdrawn, so that each image falls back to the one before; returns how many.

    A later night captions the images without any caption left. Captions by people stay.
    """
    condition = written_by([(name, version)]) & ~pc.field("withdrawn")
    count = sum(len(batch) for batch in table.batches(condition, ["image"]))
    if count:
        table.rewrite(lambda batch: _withdrawn(batch, name, version))
    table.write_current()
    return count


def withdrawn_by_commit(table: CaptionTable) -> dict[str, int]:
    """The number of withdrawn rows of each commit, by its sequence as text; any new withdrawal changes it."""
    counts: Counter[str] = Counter()
    for batch in table.batches(pc.field("withdrawn"), ["sequence"]):
        counts.update(map(str, batch["sequence"].to_pylist()))
    return dict(counts)


def erase(table: CaptionTable, images: Collection[str]) -> int:
    """Remove every row of some images from both tables; returns how many left the history.

    Files of earlier versions still have the rows until `purge`. The history is committed even if it has no such row,
    so that a run about to publish one reads the list of forgotten images again.
    """
    count = sum(len(batch) for batch in table.batches(one_of("image", images), ["image"]))
    erased = pa.array(sorted(images), pa.string())
    table.rewrite(lambda batch: batch.filter(pc.invert(pc.is_in(batch["image"], value_set=erased))))
    table.write_current()
    return count


def marked_withdrawn(batch: pa.RecordBatch, chosen: pa.Array) -> pa.RecordBatch:
    """The rows, those of a mask bool [rows] marked withdrawn beside those that are."""
    column = batch.schema.get_field_index("withdrawn")
    return batch.set_column(column, batch.schema.field(column), pc.or_(batch["withdrawn"], chosen))


def _withdrawn(batch: pa.RecordBatch, name: str, version: str) -> pa.RecordBatch:
    same = pc.and_kleene(pc.equal(batch["model_name"], name), pc.equal(batch["model_version"], version))
    captions = pc.and_(pc.equal(batch["status"], CAPTIONED), pc.equal(batch["source"], MODEL))
    return marked_withdrawn(batch, pc.and_(pc.fill_null(same, False), captions))
