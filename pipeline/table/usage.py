"""Which nights used a version of a model."""

from __future__ import annotations

from collections import Counter

import pyarrow.compute as pc

from pipeline.table.history import CaptionTable
from pipeline.table.schema import CAPTIONED, MODEL


def nights_of(table: CaptionTable, name: str, version: str) -> dict[str, int]:
    """How many captions a version wrote in each night, withdrawn ones too, by the night's name."""
    wrote = (
        (pc.field("model_name") == name)
        & (pc.field("model_version") == version)
        & (pc.field("status") == CAPTIONED)
        & (pc.field("source") == MODEL)
    )
    counts: Counter[str] = Counter()
    for batch in table.batches(wrote, ["night"]):
        counts.update(batch["night"].to_pylist())
    return dict(sorted(counts.items()))
