"""Which row is an image's current one: its human caption if any, else its newest not withdrawn."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from pipeline.storage.tables.commits import batches_of
from pipeline.storage.tables.schema import HUMAN, USABLE

_ORDERED_BY = ["image", "source", "captioned_at", "sequence"]


def current_rows(history: ds.Dataset) -> Iterator[pa.RecordBatch]:
    """One row per image, in the history's order; 25 bytes per row of the history are in memory at once."""
    keep = _is_current(history)
    start = 0
    for batch in batches_of(history, USABLE):
        yield batch.filter(pa.array(keep[start : start + len(batch)]))
        start += len(batch)


def _is_current(history: ds.Dataset) -> npt.NDArray[np.bool_]:
    """bool [rows]: whether a usable row is its image's first by (human, newest).

    Images are compared by 64-bit hashes: among ten million images, a collision occurs in 1 of 370,000 tables.
    """
    keys = [_keys(batch) for batch in batches_of(history, USABLE, _ORDERED_BY)]
    if not keys:
        return np.zeros(0, bool)
    images, human, times, sequences = (np.concatenate(column) for column in zip(*keys, strict=True))
    order = np.lexsort((sequences, times, human, images))
    ordered = images[order]
    keep = np.zeros(len(images), bool)
    keep[order[np.r_[ordered[1:] != ordered[:-1], True][: len(order)]]] = True
    return keep


def _keys(batch: pa.RecordBatch) -> tuple[npt.NDArray[Any], ...]:
    """Arrays [rows]: hash of the image, whether a person wrote the row, microseconds since 1970, sequence."""
    return (
        pd.util.hash_array(batch["image"].to_numpy(zero_copy_only=False), categorize=False),
        pc.equal(batch["source"], HUMAN).to_numpy(zero_copy_only=False),
        batch["captioned_at"].cast(pa.int64()).to_numpy(),
        pc.fill_null(batch["sequence"], 0).to_numpy(),
    )
