"""The task of a decoder, its result, and how it is done."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from PIL import Image

from pipeline.imaging.averages import LENGTH, averages
from pipeline.imaging.decode import Fit, ImageLimits, format_of, open_image, reduced, resize
from pipeline.imaging.quality import flags_of

_Fit = Fit | Literal["keep", "averages"]
"""Of a result: a square, a small image of the original's shape (`keep`), or no image but its `averages`."""

SLOWNESS = {"HEIF": 4.0, "AVIF": 4.0}
"""CPU time relative to other formats: 48 megapixels took 2.7 s as HEIC, 1.5 as AVIF, and 0.2 to 1.3 as JPEG, PNG and
WebP on one core of an AMD EPYC; the first two vary most, with their tools and options."""

_USUAL_MEGAPIXELS = 50


@dataclass(frozen=True)
class Work:
    """How a decoder treats every image."""

    limits: ImageLimits
    side: int  # of the square result in pixels; the longer side at most where its shape is kept
    fit: _Fit
    seconds: float = 4.0  # CPU time per image, of most formats
    memory_mb: int = 900  # address space in megabytes for decoding, beyond the decoder's own
    finds_flags: bool = True  # which takes longer than decoding a small image

    @classmethod
    def within(cls, limits: ImageLimits, side: int, fit: _Fit) -> Work:
        """Work without flags, with the time and memory that the largest image within some limits takes."""
        share = max(1.0, limits.max_megapixels / _USUAL_MEGAPIXELS)
        return cls(limits, side, fit, cls.seconds * share, round(cls.memory_mb * share), finds_flags=False)

    @property
    def shape(self) -> tuple[int, ...] | None:
        """The result's shape; None where it is the image's."""
        if self.fit == "averages":
            return (LENGTH,)
        return None if self.fit == "keep" else (self.side, self.side, 3)

    @property
    def longest(self) -> int:
        """The most values of a result."""
        return LENGTH if self.fit == "averages" else 3 * self.side**2

    def seconds_for(self, data: bytes) -> float:
        """CPU time for an encoded image: more for formats that take longer."""
        return self.seconds * SLOWNESS.get(format_of(data) or "", 1.0)

    def patience_for(self, data: bytes) -> float:
        """Wall time for an encoded image, enough on a busy machine."""
        return 10 * self.seconds_for(data)

    def to_json(self) -> str:
        """JSON for `from_json`."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Work:
        """Read JSON of `to_json`."""
        values = json.loads(text)
        return cls(**values | {"limits": ImageLimits(**values["limits"])})


@dataclass(frozen=True)
class DecodedPixels:
    """An image as the model takes it, uint8 [side, side, 3], 0..255; the upright original's size; and its `FLAGS`.

    With the fit `keep` it is a small image of the original's shape, with `averages` no image. Flags only where asked for.
    """

    pixels: npt.NDArray[np.uint8]
    width: int
    height: int
    flags: tuple[str, ...]


def decoded(data: bytes, work: Work) -> DecodedPixels:
    """Decode and resize an image; the caller limits time and memory."""
    image = open_image(data, work.limits, None if work.fit == "averages" else work.side)
    flags = flags_of(image.image, image.width, image.height) if work.finds_flags else ()
    return DecodedPixels(_result(image.image, work), image.width, image.height, flags)


def _result(image: Image.Image, work: Work) -> npt.NDArray[np.uint8]:
    if work.fit == "averages":
        return averages(image)
    return np.asarray(reduced(image, work.side)) if work.fit == "keep" else resize(image, work.side, work.fit)
