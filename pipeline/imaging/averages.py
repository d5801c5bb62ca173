"""What a perceptual hash needs of an image: its averages over a coarse grid."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image

COLOUR_SIDE, GREY_SIDE = 16, 32  # cells of the grids' sides
LENGTH = 3 * COLOUR_SIDE**2 + GREY_SIDE**2


def averages(image: Image.Image) -> npt.NDArray[np.uint8]:
    """Colours, then grey levels, of an RGB image in coarse cells: uint8 [LENGTH], 0..255."""
    colours = image.resize((COLOUR_SIDE, COLOUR_SIDE), Image.Resampling.BOX)
    grey = image.convert("L").resize((GREY_SIDE, GREY_SIDE), Image.Resampling.BOX)
    return np.concatenate([np.asarray(colours).ravel(), np.asarray(grey).ravel()])


def as_grids(values: npt.NDArray[np.uint8]) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """The two grids of `averages`: float32 [16, 16, 3] and [32, 32], 0..255."""
    colours, grey = np.split(values.astype(np.float32), [3 * COLOUR_SIDE**2])
    return colours.reshape(COLOUR_SIDE, COLOUR_SIDE, 3), grey.reshape(GREY_SIDE, GREY_SIDE)
