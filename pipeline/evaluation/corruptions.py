"""Images made worse on purpose, to see whether a model's captions suffer and whether it notices.

Each kind takes square pixels uint8 [side, side, 3], 0..255, and gives the same shape and range. Its random numbers come
from the digest of the image's bytes, so that an image is always degraded alike.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from pipeline.core.errors import SettingsError

Pixels = npt.NDArray[np.uint8]
Kind = Callable[[Pixels, np.random.Generator], Pixels]

BLUR_SIGMA: Final = 0.01  # mild blur: standard deviation of the Gaussian, as a share of the side
HEAVY_BLUR_SIGMA: Final = 0.04  # likewise: 9 pixels of 224, where people no longer recognise what is shown
NOISE_DEVIATION: Final = 40.0  # standard deviation of the noise added to each value
DARKNESS: Final = 0.2  # share of the light that is left
_GREY: Final = 128
GREYS: Final = 16


def degrade(kind: str, pixels: Pixels, sha: str) -> Pixels:
    """Degrade uint8 [side, side, 3] by one of `KINDS`; the hexadecimal SHA-256 of the image's bytes is the seed."""
    if kind not in KINDS:
        raise SettingsError(f"unknown way to degrade an image {kind!r}; choose one of {', '.join(KINDS)}")
    return KINDS[kind](pixels, np.random.default_rng(int(sha[:16], 16)))


def _blank(pixels: Pixels, random: np.random.Generator) -> Pixels:
    """One of 16 evenly spaced greys from black to white."""
    return np.full_like(pixels, 255 * int(random.integers(GREYS)) // (GREYS - 1))


def _blur(share: float) -> Kind:
    def blur(pixels: Pixels, random: np.random.Generator) -> Pixels:
        return np.asarray(Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(share * len(pixels))))

    return blur


def _cover(share: float) -> Kind:
    """A grey rectangle over that share of the image, up to twice as long as wide, wholly inside it."""

    def cover(pixels: Pixels, random: np.random.Generator) -> Pixels:
        side = len(pixels)
        stretch = random.uniform(max(0.5, share), min(2.0, 1 / share)) ** 0.5
        height, width = (min(side, round(side * share**0.5 * scale)) for scale in (stretch, 1 / stretch))
        top, left = random.integers(side - height + 1), random.integers(side - width + 1)
        covered = pixels.copy()
        covered[top : top + height, left : left + width] = _GREY
        return covered

    return cover


def _noise(pixels: Pixels, random: np.random.Generator) -> Pixels:
    return (pixels + random.normal(0.0, NOISE_DEVIATION, pixels.shape)).round().clip(0, 255).astype(np.uint8)


KINDS: Final[dict[str, Kind]] = {
    "blur": _blur(BLUR_SIGMA),
    "heavy_blur": _blur(HEAVY_BLUR_SIGMA),
    "covered_25": _cover(0.25),
    "covered_50": _cover(0.5),
    "noise": _noise,
    "darkness": lambda pixels, random: (pixels * DARKNESS).astype(np.uint8),
    "blank": _blank,
}
