"""Conversion of any colour mode and profile to 8-bit sRGB."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageCms

from pipeline.imaging.png import gamma_table

_STRIP_ROWS = 512


def to_srgb(image: Image.Image) -> Image.Image:
    """Convert a loaded image of any Pillow mode to mode RGB, 8-bit sRGB.

    Broken colour profiles are ignored, transparency lies over white, and ranges wider than 16 bits are stretched.
    """
    profile = image.info.get("icc_profile")
    levels = gamma_table(image)
    if image.mode.startswith("I;16"):
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    elif image.mode in ("I", "F"):
        image = _stretched(image)
    elif image.mode == "La":
        image = image.convert("LA")
    if image.has_transparency_data:
        return _over_white(image, profile, levels)
    if image.mode not in ("RGB", "L", "CMYK"):
        image = image.convert("RGB")
    return _srgb(image, profile, levels)


def _over_white(image: Image.Image, profile: bytes | None, levels: list[int] | None) -> Image.Image:
    canvas = Image.new("RGB", image.size, "white")
    for top, stored in _strips(image):
        strip = stored.convert("RGBA")
        canvas.paste(_srgb(strip.convert("RGB"), profile, levels), (0, top), strip.getchannel("A"))
    return canvas


def _stretched(image: Image.Image) -> Image.Image:
    """32-bit values, which have no defined white, as 0..255 from the darkest to the lightest."""
    ranges = [(values.min(), values.max()) for _, values in _finite(image)]
    low, high = float(min(low for low, _ in ranges)), float(max(high for _, high in ranges))
    canvas = Image.new("L", image.size)
    for top, values in _finite(image):
        canvas.paste(Image.fromarray(np.uint8((values - low) * (255 / max(high - low, 1e-12)))), (0, top))
    return canvas


def _finite(image: Image.Image) -> Iterator[tuple[int, npt.NDArray[np.float32]]]:
    """Strips as float32 [height, width]."""
    for top, strip in _strips(image):
        yield top, np.nan_to_num(np.asarray(strip, np.float32), posinf=0, neginf=0)


def _strips(image: Image.Image) -> Iterator[tuple[int, Image.Image]]:
    """Strips of an image from its top down, so that a large image is not copied as a whole."""
    for top in range(0, image.height, _STRIP_ROWS):
        yield top, image.crop((0, top, image.width, min(top + _STRIP_ROWS, image.height)))


def _srgb(image: Image.Image, profile: bytes | None, levels: list[int] | None) -> Image.Image:
    """An L, RGB or CMYK image as RGB, by its profile if that is usable, or by a table of levels."""
    with suppress(ImageCms.PyCMSError, ValueError):  # then the image counts as untagged
        transform = _transform(profile, image.mode) if profile else None
        if transform:
            return transform.apply(image)
    image = image.convert("RGB")
    return image.point(levels * 3) if levels else image


@lru_cache(maxsize=32)
def _transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """The transform from a profile to sRGB; None for sRGB and for broken profiles."""
    try:
        source = ImageCms.getOpenProfile(io.BytesIO(profile))
        if ImageCms.getProfileDescription(source).startswith("sRGB"):
            return None
        return ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), mode, "RGB")
    except (ImageCms.PyCMSError, OSError, ValueError):
        return None
