"""Near-duplicates across splits: images that evaluate a model trained on almost the same image."""

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
    """Two images of different splits that look the same."""

    row: int  # of the image in the earlier split, which goes
    twin: int  # row of the image in the later split, which stays
    bits: int  # how many bits of their hashes differ
    likeness: float  # correlation of their grey levels, at most 1


def find_near_duplicates(images: PerceptualHashes, splits: pd.Series[str], most_bits: int) -> list[NearDuplicate]:
    """The likest twin of each image that has one in a later split; their hashes differ in at most `most_bits`.

    Among a billion pairs, hashes alone would match unlike images, so the grey levels must agree, too. `splits` are of
    the images, with their row numbers as the index; images without a hash have no twin.
    """
    best: dict[int, NearDuplicate] = {}
    for place, split in enumerate(SPLITS):
        is_later = splits.isin(SPLITS[place + 1 :]).to_numpy()
        rows, twins = (np.flatnonzero(mask & (images.hashes != 0)) for mask in ((splits == split).to_numpy(), is_later))
        for row, twin, bits in _close_pairs(images.hashes, rows, twins, most_bits):
            likeness = float(images.greys[row] @ images.greys[twin])
            if likeness >= LIKENESS and (row not in best or likeness > best[row].likeness):
                best[row] = NearDuplicate(row, twin, bits, likeness)
    index = splits.index
    return [each._replace(row=int(index[each.row]), twin=int(index[each.twin])) for each in best.values()]


def _close_pairs(
    hashes: npt.NDArray[np.uint64], rows: npt.NDArray[np.int64], twins: npt.NDArray[np.int64], most_bits: int
) -> Iterator[tuple[int, int, int]]:
    """Pairs whose hashes differ in few bits, and in how many."""
    for start in range(0, len(rows), _ROWS):
        part = rows[start : start + _ROWS]
        bits = np.bitwise_count(hashes[part, None] ^ hashes[None, twins])  # [rows, twins]
        for row, twin in np.argwhere(bits <= most_bits):
            yield int(part[row]), int(twins[twin]), int(bits[row, twin])
