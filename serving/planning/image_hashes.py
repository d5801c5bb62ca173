"""Images as hashes of (image, etag): eight bytes each, as millions of names would fill the memory.

64 bits meet by chance once in 10^6 nights over five million images.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Hashes = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


class Deduplicator:
    """Tells the first occurrence of each hash. Memory holds sorted runs, each more than twice as long as the next."""

    def __init__(self) -> None:
        self._runs: list[Hashes] = []

    def add(self, hashes: Hashes) -> Mask:
        """bool [n]: whether each hash comes for the first time."""
        first = np.zeros(len(hashes), bool)
        first[np.unique(hashes, return_index=True)[1]] = True
        for run in self._runs:
            first &= ~contains(run, hashes)
        self._keep(np.sort(hashes[first]))
        return first

    def _keep(self, run: Hashes) -> None:
        while self._runs and len(self._runs[-1]) <= 2 * len(run):
            run = np.sort(np.concatenate([self._runs.pop(), run]), kind="stable")
        self._runs.append(run)


def hashes_of(batches: Iterable[pa.RecordBatch]) -> Hashes:
    """Sorted hashes of `image` and `etag`."""
    pieces = [hashed(zip(batch["image"].to_pylist(), batch["etag"].to_pylist(), strict=True)) for batch in batches]
    return np.sort(np.concatenate([np.empty(0, np.int64), *pieces]))


def hashed(pairs: Iterable[tuple[str, str]]) -> Hashes:
    """A hash of each pair of image and etag."""
    return np.fromiter(map(hash, pairs), np.int64)


def contains(sorted_hashes: Hashes, hashes: Hashes) -> Mask:
    """bool [n]: whether each of `hashes` is among the sorted ones."""
    if not len(sorted_hashes):
        return np.zeros(len(hashes), bool)
    places = np.searchsorted(sorted_hashes, hashes)
    mask: Mask = sorted_hashes[np.minimum(places, len(sorted_hashes) - 1)] == hashes
    return mask
