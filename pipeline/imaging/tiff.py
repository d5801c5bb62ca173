"""TIFF, whose tags describe more layouts of samples than Pillow reads, and some that Pillow reads as others."""

from __future__ import annotations

import io
from contextlib import suppress
from itertools import zip_longest
from typing import Any

import numpy as np
from PIL import Image, TiffImagePlugin, UnidentifiedImageError
from PIL.TiffImagePlugin import ImageFileDirectory_v2, TiffImageFile

from pipeline.core import reasons
from pipeline.core.errors import BadImage

TiffImagePlugin.READ_LIBTIFF = True  # Pillow's own reader takes uncompressed planes of 16 bits for 8, without an error

SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")  # the last two are BigTIFF
_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC = 256, 257, 258, 259, 262
_SAMPLES, _PLANAR, _EXTRA, _FORMAT = 277, 284, 338, 339
_PLACES = {273: 279, 324: 325}  # of strips and of tiles: where they lie, and their lengths in bytes
_COMPRESSIONS = (1, 2, 3, 4, 5, 7, 8, 32773, 32946)  # none, fax, LZW, JPEG, Deflate and PackBits are always there
_WHITE_IS_ZERO = 0
_PHOTOMETRICS = {
    0: "grey, white is zero",
    1: "grey",
    2: "RGB",
    3: "palette",
    4: "mask",
    5: "CMYK",
    6: "YCbCr",
    8: "CIELab",
    9: "ICCLab",
    10: "ITULab",
    32803: "colour filter array",
    32844: "LogL",
    32845: "LogLuv",
    34892: "linear raw",
}
_FORMATS = {1: "unsigned", 2: "signed", 3: "float", 4: "untyped", 5: "complex integer", 6: "complex float"}
_NATIVE = {"I;16BS": "I;16NS", "I;16S": "I;16NS", "I;32BS": "I;32NS", "I;32S": "I;32NS", "F;32BF": "F;32NF"}
"""libtiff gives samples in this machine's byte order, and Pillow takes some for the file's."""


_REMEDY = "convert it to 8 or 16 bits in grey, RGB or CMYK"


def prepare(image: Image.Image) -> None:
    """Have an opened TIFF decoded as its tags say; raises BadImage `unsupported_format` for what Pillow reads wrongly."""
    if not isinstance(image, TiffImageFile):
        return
    extra = image.tag_v2.get(_EXTRA, ())
    is_signed_byte = image.mode == "L" and _first(image.tag_v2, _FORMAT, 1) != 1
    is_misread_plane = image.mode in ("LA", "La", "LAB") or (len(extra) > 1 and any(extra))
    if is_signed_byte or (is_misread_plane and image.tag_v2.get(_PLANAR) == 2):
        raise _unsupported(image.tag_v2)
    image.tile = [tile._replace(args=_native(tile.args)) for tile in image.tile]


def _native(args: Any) -> tuple[Any, ...]:
    raw_mode, *rest = args
    return (_NATIVE.get(raw_mode, raw_mode), *rest)


def planes(image: Image.Image, data: bytes) -> Image.Image | None:
    """The pixels of planes that lie one behind the other as if they were one strip, as tifffile writes them."""
    if not isinstance(image, TiffImageFile) or image.mode not in ("RGB", "RGBA", "CMYK"):
        return None
    tags, bits, count = image.tag_v2, _first(image.tag_v2, _BITS, 1), len(image.mode)
    places: tuple[int, ...] = next((tags[tag] for tag in _PLACES if tag in tags), ())
    if tags.get(_PLANAR) != 2 or tags.get(_COMPRESSION, 1) != 1 or len(places) != 1 or bits not in (8, 16):
        return None
    if tags.get(_SAMPLES) != count or 1 in tags.get(_EXTRA, ()):
        raise _unsupported(tags)
    height, width = tags[_HEIGHT], tags[_WIDTH]
    kind = np.dtype(np.uint8 if bits == 8 else np.uint16).newbyteorder("<" if tags.prefix == b"II" else ">")
    try:
        values = np.frombuffer(data, kind, count * height * width, *places).reshape(count, height, width)
    except ValueError as error:
        raise _truncated(data) from error
    return _like(image, np.moveaxis(values >> (bits - 8), 0, -1).astype(np.uint8), image.mode)


def corrected(image: Image.Image) -> Image.Image:
    """A loaded image with the values that a TIFF's tags give its samples; other formats unchanged."""
    if not isinstance(image, TiffImageFile):
        return image
    bits = _first(image.tag_v2, _BITS, 1)
    is_inverted = _photometric(image) == _WHITE_IS_ZERO
    if image.mode.startswith("I;16"):
        values = np.asarray(image)
        values = values << 4 if bits == 12 else values
        return _like(image, 0xFFFF - values if is_inverted else values)
    if image.mode == "I" and bits == 32 and _first(image.tag_v2, _FORMAT, 1) == 1:
        return _like(image, np.asarray(image).view(np.uint32).astype(np.float32))
    if image.mode == "F" and is_inverted:
        return _like(image, -np.asarray(image))
    return image


def failure(data: bytes, error: Exception) -> BadImage | None:
    """Why Pillow could not read a TIFF whose tags are sound; None for damaged tags and damaged pixels."""
    tags = _tags(data)
    if tags is None:
        return None
    if not _is_whole(tags, len(data)):
        return _truncated(data)
    is_known = not isinstance(error, (UnidentifiedImageError, KeyError))
    if is_known and tags.get(_COMPRESSION, 1) in _COMPRESSIONS:
        return None
    return _unsupported(tags)


def _unsupported(tags: ImageFileDirectory_v2) -> BadImage:
    return BadImage(reasons.UNSUPPORTED_FORMAT, f"{_layout(tags)} is not supported; {_REMEDY}")


def _truncated(data: bytes) -> BadImage:
    return BadImage(reasons.TRUNCATED, f"the TIFF ends too early, after {len(data):,} bytes")


def _tags(data: bytes) -> ImageFileDirectory_v2 | None:
    """The tags of the first page; None if they are not such as the specification defines."""
    with suppress(Exception):
        stream = io.BytesIO(data)
        tags = ImageFileDirectory_v2(stream.read(16 if data[2:4] in (b"+\0", b"\0+") else 8))
        stream.seek(tags.next)
        tags.load(stream)
        return tags if _is_sound(tags) else None
    return None


def _like(image: Image.Image, values: np.ndarray, mode: str | None = None) -> Image.Image:
    changed = Image.fromarray(values, mode)
    changed.info = image.info
    return changed


def _is_sound(tags: ImageFileDirectory_v2) -> bool:
    samples = tags.get(_SAMPLES, 1)
    return bool(
        min(tags[_WIDTH], tags[_HEIGHT], samples) > 0
        and tags.get(_PLANAR, 1) in (1, 2)
        and tags.get(_PHOTOMETRIC) in _PHOTOMETRICS
        and len(tags.get(_BITS, (1,))) in (1, samples)
        and all(0 < bits <= 64 for bits in tags.get(_BITS, (1,)))
        and all(kind in _FORMATS for kind in tags.get(_FORMAT, (1,)))
        and all(kind in (0, 1, 2) for kind in tags.get(_EXTRA, ()))
        and any(tags.get(place) for place in _PLACES)
    )


def _is_whole(tags: ImageFileDirectory_v2, size: int) -> bool:
    """Whether all strips or tiles lie in the file; those without a length count as empty."""
    return all(
        place + length <= size
        for places, lengths in _PLACES.items()
        for place, length in zip_longest(tags.get(places, ()), tags.get(lengths, ()), fillvalue=0)
    )


def _layout(tags: ImageFileDirectory_v2) -> str:
    samples, bits = tags.get(_SAMPLES, 1), _first(tags, _BITS, 1)
    kind, colour = _FORMATS[_first(tags, _FORMAT, 1)], _PHOTOMETRICS[tags[_PHOTOMETRIC]]
    planes = "planar, " if tags.get(_PLANAR) == 2 else ""
    extra = f", {len(tags[_EXTRA])} extra" if tags.get(_EXTRA) else ""
    compression = tags.get(_COMPRESSION, 1)
    packed = f", compression {TiffImagePlugin.COMPRESSION_INFO.get(compression, compression)}"
    return f"a TIFF with {samples} x {bits} bits ({planes}{kind}, {colour}{extra}{packed})"


def _photometric(image: TiffImageFile) -> int:
    return int(image.tag_v2.get(_PHOTOMETRIC, 0))


def _first(tags: Any, tag: int, default: int) -> int:
    value = tags.get(tag, default)
    return int(value[0] if isinstance(value, tuple) else value)
