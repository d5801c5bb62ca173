"""Perceptual hashes and statistics of images: to find copies with other bytes, and to see a collection drift."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.imaging.averages import COLOUR_SIDE, GREY_SIDE, as_grids

BITS = 63  # of a hash
# The first three in 0..1; shape is the binary logarithm of width by height.
STATISTICS = ("brightness", "contrast", "saturation", "shape", "megapixels")

_FLAT = 2.0  # standard deviation in grey levels under which there is nothing to compare
_LOW = 8
# Rows of the discrete cosine transform of 32 values, the lowest 8 frequencies.
_COSINES = np.cos(np.pi * np.outer(np.arange(_LOW), 2 * np.arange(GREY_SIDE) + 1) / (2 * GREY_SIDE))


class PerceptualHash(NamedTuple):
    """The hash and the statistics of one image."""

    hash: int  # `BITS` bits; 0 where the image is of one colour
    grey: npt.NDArray[np.float32]  # [256], levels at 16x16, mean 0 and length 1; all 0 where the image is of one colour
    statistics: npt.NDArray[np.float32]  # [5], the `STATISTICS`


@dataclass(frozen=True)
class PerceptualHashes:
    """Those of several images; zeros for an image that could not be decoded."""

    hashes: npt.NDArray[np.uint64]  # [n]
    greys: npt.NDArray[np.float32]  # [n, 256]
    statistics: npt.NDArray[np.float32]  # [n, 5]

    @classmethod
    def of(cls, names: Sequence[str], by_name: Mapping[str, PerceptualHash]) -> PerceptualHashes:
        """Those of the named images, in their order."""
        hashes = np.zeros(len(names), np.uint64)
        greys = np.zeros((len(names), COLOUR_SIDE**2), np.float32)
        statistics = np.zeros((len(names), len(STATISTICS)), np.float32)
        for row, name in enumerate(names):
            if name in by_name:
                hashes[row], greys[row], statistics[row] = by_name[name]
        return cls(hashes, greys, statistics)

    def of_rows(self, rows: npt.NDArray[Any]) -> PerceptualHashes:
        """A selection by row number or by bool [n]."""
        return PerceptualHashes(self.hashes[rows], self.greys[rows], self.statistics[rows])


def perceptual_hash(averages: npt.NDArray[np.uint8], width: int, height: int) -> PerceptualHash:
    """The hash of an upright image of `width` x `height` pixels, of which there are `averages`."""
    colours, grey = as_grids(averages)
    spread = colours.max(-1) - colours.min(-1)  # [16, 16]
    statistics = np.array(
        [grey.mean() / 255, grey.std() / 128, spread.mean() / 255, np.log2(width / height), width * height / 1e6],
        np.float32,
    )
    if grey.std() < _FLAT:
        return PerceptualHash(0, np.zeros(COLOUR_SIDE**2, np.float32), statistics)
    return PerceptualHash(_hash(grey), _unit(grey), statistics)


def _hash(grey: npt.NDArray[np.float32]) -> int:
    """Which of the lowest frequencies are above their median (pHash; Zauner, 2010), the mean left out."""
    low = (_COSINES @ grey @ _COSINES.T).ravel()[1:]  # [63]
    above = np.append(False, low > np.median(low))
    return int.from_bytes(np.packbits(above).tobytes(), "big")


def _unit(grey: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Grey levels [32, 32] at 16x16, flat, with mean 0 and length 1."""
    halved = grey.reshape(COLOUR_SIDE, 2, COLOUR_SIDE, 2).mean((1, 3)).ravel()  # [256]
    centred = halved - halved.mean()
    return np.asarray(centred / max(float(np.linalg.norm(centred)), 1e-6), np.float32)
