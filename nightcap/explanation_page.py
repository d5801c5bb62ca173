"""A page that lays the maps of a caption's words over the image; one file, nothing outside it."""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from pipeline.core.pages import data_uri, render
from pipeline.imaging.decode import thumbnail

if TYPE_CHECKING:
    from pipeline.model.explanation import Explanation
    from pipeline.model.interface import Caption, Captioner

IMAGE_SIDE = 640
WARM, COLD = (255, 106, 20), (70, 150, 255)
STRONGEST = 0.85  # opacity; the image shines through
# The maximum of a map that gets full colour, so that a nearly level map looks level.
FULL_ATTENTION = 0.25
FULL_OCCLUSION = 1.0  # nats


@dataclass(frozen=True)
class ExplainedImage:
    """The content of the page."""

    name: str
    original: Image.Image  # upright
    pixels: npt.NDArray[np.uint8]  # [side, side, 3], the model's input
    caption: Caption
    explanation: Explanation


def render_explanation(explained: ExplainedImage, captioner: Captioner) -> str:
    """The page as HTML."""
    squashed = captioner.fit == "squash"  # then the square is the whole image and may be stretched back
    return render(
        Path(__file__).with_suffix(".html"),
        name=explained.name,
        caption=explained.caption,
        model=" ".join([captioner.name, *(["version", captioner.version] if captioner.version else [])]),
        engine=captioner.engine,
        thumbnail=data_uri(thumbnail(explained.original, IMAGE_SIDE)),
        seen=data_uri(thumbnail(Image.fromarray(explained.pixels), IMAGE_SIDE)),
        ratio=f"{explained.original.width} / {explained.original.height}" if squashed else "1",
        attention=bool(explained.explanation.attention.any()),
        words=[_word(explained.explanation, position) for position in range(len(explained.explanation.words))],
    )


def _word(explanation: Explanation, position: int) -> dict[str, Any]:
    attention, occlusion = explanation.attention[position], explanation.occlusion[position]
    before = float(explanation.log_probabilities[position])
    after = before - max(0.0, float(occlusion.max()))
    return {
        "text": explanation.words[position],
        "probability": _percent(math.exp(before)),
        "attention": _heat(attention, FULL_ATTENTION),
        "looked": _percent(float(attention.max())),
        "occlusion": _heat(occlusion, FULL_OCCLUSION),
        "needed": f"{_percent(math.exp(before))} \N{RIGHTWARDS ARROW} {_percent(math.exp(after))}",
    }


def _heat(map_: npt.NDArray[np.float32], full: float) -> str:
    """A map [rows, columns] as an image of a pixel a cell, which browsers enlarge smoothly; clear at zero."""
    strength = np.clip(map_ / max(full, float(np.abs(map_).max())), -1, 1)[..., None]  # [rows, columns, 1]
    colour = np.where(strength > 0, WARM, COLD)  # [rows, columns, 3]
    pixels = np.concatenate([colour, np.abs(strength) * 255 * STRONGEST], axis=-1)
    buffer = io.BytesIO()
    Image.fromarray(pixels.round().astype(np.uint8), "RGBA").save(buffer, "PNG")
    return data_uri(buffer.getvalue(), "png")


def _percent(share: float) -> str:
    return f"{share:.0%}" if share >= 0.01 else "under 1%"
