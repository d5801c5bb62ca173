"""What a decoder is asked to do, what it gives, and how it does it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt

from pipeline.imaging.decode import Fit, ImageLimits, open_image, resize
from pipeline.imaging.quality import flags_of


@dataclass(frozen=True)
class Work:
    """How a decoder treats every image.

    Attributes:
        limits: what is refused.
        side: of the square pixels, in pixels.
        fit: how an image becomes square.
        seconds: CPU time an image may take.
        memory_mb: address space in megabytes that decoding may take beyond the decoder's own.
    """

    limits: ImageLimits
    side: int
    fit: Fit
    seconds: float = 4.0
    memory_mb: int = 900

    @property
    def patience_s(self) -> float:
        """Wall time after which an image is given up, on a machine however busy."""
        return 10 * self.seconds

    def to_json(self) -> str:
        """As `from_json` reads it."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Work:
        """What `to_json` wrote."""
        values = json.loads(text)
        return cls(**values | {"limits": ImageLimits(**values["limits"])})


@dataclass(frozen=True)
class DecodedPixels:
    """An image as the model takes it.

    Attributes:
        pixels: uint8 [side, side, 3], 0..255.
        width: of the upright original in pixels.
        height: of the upright original in pixels.
        flags: of `pipeline.imaging.quality.FLAGS`.
    """

    pixels: npt.NDArray[np.uint8]
    width: int
    height: int
    flags: tuple[str, ...]


def decoded(data: bytes, work: Work) -> DecodedPixels:
    """An image as the model takes it, from its encoded bytes; time and memory are the caller's to limit.

    Raises:
        BadImage: with one of `DECODE_REASONS`.
    """
    image = open_image(data, work.limits, work.side)
    pixels = resize(image.image, work.side, work.fit)
    return DecodedPixels(pixels, image.width, image.height, flags_of(image.image, image.width, image.height))
