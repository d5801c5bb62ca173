"""Bytes to pixels: the only decoder and resizer, for training and serving alike.

An image may be any file that people and attackers put in a folder. So its header is checked before a pixel is
decoded, and every error of Pillow becomes one `BadImage` with a reason.
"""

from __future__ import annotations

import io
import math
from contextlib import nullcontext
from dataclasses import dataclass
from threading import Lock
from typing import Literal

import numpy as np
from PIL import Image, UnidentifiedImageError
from PIL.JpegImagePlugin import JpegImageFile

from pipeline.core import reasons
from pipeline.core.errors import BadImage
from pipeline.imaging import heic, png, tiff
from pipeline.imaging.colour import to_srgb

Fit = Literal["squash", "pad", "crop"]

FORMATS = ("JPEG", "PNG", "WEBP", "AVIF", "GIF", "BMP", "TIFF", *heic.register_heic())
INTERPOLATION = "bicubic"  # antialiased, as Pillow does it
DECODING = 2
"""The number of this decoding, raised when bytes decode to other pixels than before; `decoding_of` then says which."""
LARGE_PIXELS = 12_000_000  # larger ones, which may need 20 bytes a pixel, are decoded one at a time
GREY = (127, 127, 127)  # what `pad` adds; near zero after most networks' preprocessing

_SIGNATURES = {
    b"\xff\xd8\xff": "JPEG",
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"GIF8": "GIF",
    b"BM": "BMP",
    **dict.fromkeys(tiff.SIGNATURES, "TIFF"),
}
_UNSUPPORTED = {
    b"%PDF": "PDF",
    b"8BPS": "Photoshop",
    b"\0\0\1\0": "ICO",
    b"\0\0\0\x0cjP  ": "JPEG 2000",
    b"\xff\x0a": "JPEG XL",
    b"\0\0\0\x0cJXL ": "JPEG XL",
    b"%!PS": "PostScript",
    b"<svg": "SVG",
}
_LARGE = Lock()
_ORIENTATION = 0x0112  # the EXIF tag
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_QUARTER_TURNS = {_TURNS[tag] for tag in (5, 6, 7, 8)}  # width and height change places


@dataclass(frozen=True)
class ImageLimits:
    """Limits on an image: encoded bytes, pixels in millions, and pixels of the shorter side."""

    max_bytes: int = 50_000_000
    max_megapixels: float = 50.0
    min_side: int = 8


@dataclass(frozen=True)
class DecodedImage:
    """An upright image, Pillow mode RGB, possibly reduced, and the size of the upright original in pixels."""

    image: Image.Image
    width: int
    height: int


def check_bytes(size: int, limits: ImageLimits) -> None:
    """Check an encoded size in bytes before a huge file is read; raises BadImage `empty` or `too_large_file`."""
    if not size:
        raise BadImage(reasons.EMPTY, "the file is empty")
    if size > limits.max_bytes:
        message = f"the file has {size:,} bytes, more than the limit of {limits.max_bytes:,}"
        raise BadImage(reasons.TOO_LARGE_FILE, message)


def open_image(data: bytes, limits: ImageLimits, side: int | None = None) -> DecodedImage:
    """The first frame of an image, upright by its EXIF orientation, with colours as `to_srgb` converts them.

    With the `side` of the final square in pixels, a large JPEG is decoded at a half, quarter or eighth of its size,
    but no smaller than twice that side. Raises BadImage with one of `DECODE_REASONS`.
    """
    opened = _open(data, limits)
    header = opened.size if isinstance(opened, JpegImageFile) else None
    try:
        if side:
            opened.draft(None, (2 * side, 2 * side))
        with _LARGE if math.prod(opened.size) > LARGE_PIXELS else nullcontext():
            stored = _stored(opened, data, limits)
            turn = _TURNS.get(_orientation(opened))
            image = to_srgb(stored)
            image = image if turn is None else image.transpose(turn)
    except BadImage:
        raise
    except Exception as error:
        raise _broken(data, error) from error
    size = image.size if header is None else header[::-1] if turn in _QUARTER_TURNS else header
    return DecodedImage(image, *size)


def decode(data: bytes, limits: ImageLimits, side: int | None = None) -> Image.Image:
    """`open_image` without the original size."""
    return open_image(data, limits, side).image


def resize(image: Image.Image, side: int, fit: Fit) -> np.ndarray:
    """Pixels as uint8 [side, side, 3], 0..255, by antialiased bicubic interpolation.

    `squash` ignores the aspect ratio, `pad` keeps it and adds grey, `crop` takes the middle.
    """
    width = height = side
    box = (0.0, 0.0, float(image.width), float(image.height))
    if fit == "crop":
        shorter = min(image.size)
        left, top = (image.width - shorter) / 2, (image.height - shorter) / 2
        box = (left, top, left + shorter, top + shorter)
    elif fit == "pad":
        scale = side / max(image.size)
        width, height = (max(1, round(length * scale)) for length in image.size)
    # the gap first halves large images by plain averages, without a visible difference
    scaled = image.resize((width, height), Image.Resampling.BICUBIC, box, reducing_gap=3.0)
    if fit != "pad":
        return np.asarray(scaled)
    canvas = Image.new("RGB", (side, side), GREY)
    canvas.paste(scaled, ((side - width) // 2, (side - height) // 2))
    return np.asarray(canvas)


def pixels(data: bytes, side: int, fit: Fit, limits: ImageLimits) -> np.ndarray:
    """Encoded bytes to uint8 [side, side, 3], 0..255: `decode`, then `resize`."""
    return resize(decode(data, limits, side), side, fit)


def reduced(image: Image.Image, side: int) -> Image.Image:
    """A copy whose longer side is at most `side` pixels; aspect ratio kept."""
    small = image.copy()
    small.thumbnail((side, side), Image.Resampling.BICUBIC)
    return small


def thumbnail(image: Image.Image, side: int = 224) -> bytes:
    """A JPEG of an RGB image whose longer side is at most `side` pixels; aspect ratio kept."""
    buffer = io.BytesIO()
    reduced(image, side).save(buffer, "JPEG", quality=85, optimize=True)
    return buffer.getvalue()


def format_of(data: bytes) -> str | None:
    """The format that the first bytes tell; None for none of `FORMATS`."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    if data[4:8] == b"ftyp" and data[8:12] in (b"avif", b"avis"):
        return "AVIF"
    if data[4:8] == b"ftyp" and data[8:12] in heic.BRANDS and "HEIF" in FORMATS:
        return "HEIF"
    return next((name for start, name in _SIGNATURES.items() if data.startswith(start)), None)


def decoding_of(data: bytes) -> int:
    """The number of the first decoding that gives these bytes the pixels of today."""
    name = format_of(data)
    return 2 if name == "TIFF" or (name == "PNG" and png.has_own_colours(data)) else 1


def _open(data: bytes, limits: ImageLimits) -> Image.Image:
    check_bytes(len(data), limits)
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
    except Image.DecompressionBombError as error:
        message = f"{error} The limit here is {limits.max_megapixels:g} megapixels"
        raise BadImage(reasons.TOO_MANY_PIXELS, message) from error
    except Exception as error:
        raise _broken(data, error) from error
    _check_pixels(image.size, limits)
    width, height = image.size
    if min(width, height) < limits.min_side:
        message = f"the image is {width}x{height} pixels; no side may be under {limits.min_side}"
        raise BadImage(reasons.TOO_SMALL, message)
    return image


def _stored(opened: Image.Image, data: bytes, limits: ImageLimits) -> Image.Image:
    """The loaded first frame, its samples as the file's header means them."""
    planes = tiff.planes(opened, data)
    if planes is not None:
        return planes
    tiff.prepare(opened)
    opened.load()
    _check_pixels(opened.size, limits)  # a GIF's frame may outgrow its header
    return png.with_transparency(tiff.corrected(opened), data)


def _check_pixels(size: tuple[int, int], limits: ImageLimits) -> None:
    width, height = size
    if width * height > limits.max_megapixels * 1e6:
        measured = f"{width}x{height} = {width * height / 1e6:.1f} megapixels"
        message = f"the image is {measured}, more than the limit of {limits.max_megapixels:g}"
        raise BadImage(reasons.TOO_MANY_PIXELS, message)


def _broken(data: bytes, error: Exception) -> BadImage:
    """The error for bytes that Pillow cannot read."""
    if isinstance(error, MemoryError):
        return BadImage(reasons.DECODER_MEMORY, f"decoding {len(data):,} bytes needs more memory than there is")
    name = format_of(data)
    detail = "its header is damaged" if isinstance(error, UnidentifiedImageError) else " ".join(str(error).split())
    if name is None:
        unsupported = next((kind for start, kind in _UNSUPPORTED.items() if data.startswith(start)), None)
        if data[4:8] == b"ftyp":
            unsupported = "HEIC without the extra `heic`, or another ISO media file,"
        if unsupported:
            message = f"{unsupported} is not supported; convert it to one of {', '.join(FORMATS)}"
            return BadImage(reasons.UNSUPPORTED_FORMAT, message)
        return BadImage(reasons.NOT_AN_IMAGE, f"no image: the file starts with {data[:16]!r}")
    failure = tiff.failure(data, error) if name == "TIFF" else None
    if failure:
        return failure
    ends_early = any(word in detail.lower() for word in ("truncated", "end of file"))
    if _is_cut(data, name) or ends_early or isinstance(error, EOFError):
        return BadImage(reasons.TRUNCATED, f"the {name} ends too early, after {len(data):,} bytes")
    return BadImage(reasons.CORRUPT, f"the {name} cannot be decoded: {detail or type(error).__name__}")


def _is_cut(data: bytes, name: str) -> bool:
    """Whether the end marker of the format is missing."""
    if name == "WEBP":
        return len(data) < 8 + int.from_bytes(data[4:8], "little")
    end = {"JPEG": b"\xff\xd9", "PNG": b"IEND", "GIF": b"\x3b"}.get(name, b"")
    return end not in data[-1024:]


def _orientation(image: Image.Image) -> int:
    """The EXIF tag; 1 after loading a TIFF, which Pillow has then turned already."""
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # damaged EXIF does not mean damaged pixels
        return 1
