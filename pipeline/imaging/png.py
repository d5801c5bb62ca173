"""PNG's own ways with colour: a transparent colour in the samples' own bits, and a gamma."""

from __future__ import annotations

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngImageFile

_GREY, _RGB = 0, 2
_BITS_AT, _COLOUR_AT = 24, 25  # in the header, which is always the first chunk
_SRGB = 1 / 2.2


def with_transparency(image: Image.Image, data: bytes) -> Image.Image:
    """A loaded PNG whose transparent colour fits the decoded samples; other images unchanged.

    Pillow reduces samples to 8 bits, and leaves the transparent colour as it stands in the file.
    """
    if not isinstance(image, PngImageFile) or not isinstance(image.info.get("transparency"), (int, tuple)):
        return image
    key, bits, colour = image.info["transparency"], data[_BITS_AT], data[_COLOUR_AT]
    top = 2**bits - 1
    if colour == _GREY and bits == 16:
        values = np.asarray(image)
        grey, opaque = (values >> 8).astype(np.uint8), np.where(values == key, 0, 255).astype(np.uint8)
        return _like(image, Image.merge("LA", (Image.fromarray(grey), Image.fromarray(opaque))))
    if colour == _GREY and 1 < bits < 16:
        image.info["transparency"] = (key & top) * 255 // top
    if colour == _RGB and isinstance(key, tuple):  # of 16 bits, the upper eight decide
        image.info["transparency"] = tuple((part & top) >> (bits - 8) for part in key)
    return image


def has_own_colours(data: bytes) -> bool:
    """Whether a PNG may have a transparent colour or a gamma that `with_transparency` or `gamma_table` heeds."""
    header = data[: data.find(b"IDAT")]
    is_keyed = data[_COLOUR_AT : _COLOUR_AT + 1] in (bytes((_GREY,)), bytes((_RGB,))) and b"tRNS" in header
    return is_keyed or (b"gAMA" in header and b"sRGB" not in header)


def gamma_table(image: Image.Image) -> list[int] | None:
    """sRGB levels for the 256 stored ones, where only a gamma tells what they mean; None if they are sRGB as stored."""
    gamma = image.info.get("gamma")
    if not gamma or "srgb" in image.info or image.info.get("icc_profile"):
        return None
    exponent = _SRGB / gamma
    if not 0.1 < exponent < 10 or abs(exponent - 1) < 0.05:
        return None
    return [round(255 * (level / 255) ** exponent) for level in range(256)]


def _like(image: Image.Image, changed: Image.Image) -> Image.Image:
    changed.info = {name: value for name, value in image.info.items() if name != "transparency"}
    return changed
