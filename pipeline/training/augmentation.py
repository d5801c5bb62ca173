"""Several views of one training image: whole, mirrored, then crops."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image

WHOLE_VIEW, MIRRORED = 0, 1
KEPT = 7 / 8  # of each side in a crop, so that hardly an object is lost
CORNERS = ((0, 0), (1, 1), (0, 1), (1, 0), (0.5, 0.5))
SWAPPED = {"left": "right", "right": "left"}


def view_of(pixels: npt.NDArray[np.uint8], view: int) -> npt.NDArray[np.uint8]:
    """One view of square pixels, uint8 [side, side, 3]: 0 whole, 1 mirrored, then crops, every other one mirrored."""
    if view == WHOLE_VIEW:
        return pixels
    cropped = pixels if view == MIRRORED else _crop(pixels, CORNERS[(view - 2) % len(CORNERS)])
    return np.ascontiguousarray(cropped[:, ::-1]) if is_mirrored(view) else cropped


def is_mirrored(view: int) -> bool:
    """Whether left and right have changed places, so that captions must say so too."""
    return view % 2 == 1


def mirrored_words(words: tuple[str, ...]) -> npt.NDArray[np.int32]:
    """The id of what each word becomes in a mirrored view's caption: int32 [vocabulary]."""
    ids = {word: index for index, word in enumerate(words)}
    return np.array([ids.get(SWAPPED.get(word, word), index) for index, word in enumerate(words)], np.int32)


def _crop(pixels: npt.NDArray[np.uint8], corner: tuple[float, float]) -> npt.NDArray[np.uint8]:
    side = pixels.shape[0]
    kept = round(KEPT * side)
    top, left = (round(share * (side - kept)) for share in corner)
    box = left, top, left + kept, top + kept
    return np.asarray(Image.fromarray(pixels).resize((side, side), Image.Resampling.BICUBIC, box))
