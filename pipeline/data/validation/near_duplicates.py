"""Near-duplicates across splits: images that judge a model which has seen their like."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.data.sources.base import SPLITS
from pipeline.data.validation.perceptual_hash import PerceptualHashes

LIKENESS = 0.88  # least correlation of two images' grey levels
_ROWS = 256  # compared at once: their distances fit a processor's cache


class NearDuplicate(NamedTuple):
    """Two images of different splits that look the same.

    Attributes:
        row: of the image in the split that judges less.
        twin: row of the one that stays.
        bits: how many bits of their hashes differ.
        likeness: correlation of their grey levels, at most 1.
    """

    row: int
    twin: int
    bits: int
    likeness: float


def find_near_duplicates(looks: PerceptualHashes, splits: pd.Series[str], most_bits: int) -> list[NearDuplicate]:
    """The best twin of each image that has one in a split that judges more.

    Every pair of splits is compared whole. Hashes alone would find strangers among a billion pairs, so grey
    levels must agree, too.

    Args:
        looks: of the images; those without a hash have no twin.
        splits: of the images, with their row numbers as the index.
        most_bits: how many bits of two hashes may differ.
    """
    found: dict[int, NearDuplicate] = {}
    for place, lower in enumerate(SPLITS):
        higher = splits.isin(SPLITS[place + 1 :]).to_numpy()
        rows, twins = (np.flatnonzero(where & (looks.hashes != 0)) for where in ((splits == lower).to_numpy(), higher))
        for row, twin, bits in _close(looks.hashes, rows, twins, most_bits):
            likeness = float(looks.greys[row] @ looks.greys[twin])
            if likeness >= LIKENESS and (row not in found or likeness > found[row].likeness):
                found[row] = NearDuplicate(row, twin, bits, likeness)
    index = splits.index
    return [each._replace(row=int(index[each.row]), twin=int(index[each.twin])) for each in found.values()]


def _close(
    hashes: npt.NDArray[np.uint64], rows: npt.NDArray[np.int64], twins: npt.NDArray[np.int64], most_bits: int
) -> Iterator[tuple[int, int, int]]:
    """Pairs whose hashes differ in few bits, and in how many."""
    for start in range(0, len(rows), _ROWS):
        part = rows[start : start + _ROWS]
        bits = np.bitwise_count(hashes[part, None] ^ hashes[None, twins])  # [rows, twins]
        for row, twin in np.argwhere(bits <= most_bits):
            yield int(part[row]), int(twins[twin]), int(bits[row, twin])
