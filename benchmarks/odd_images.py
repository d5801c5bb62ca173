"""Images in every format and mode, small and valid, and ways to spoil them."""

from __future__ import annotations

import io
import random
import struct
import zlib
from typing import Any

import numpy as np
from PIL import Image, ImageCms

from pipeline.imaging.decode import FORMATS

WIDTH, HEIGHT = 60, 44
KINDS = FORMATS
_INTERESTING = (
    b"\0",
    b"\xff",
    b"\x7f",
    b"\x80",
    b"\0\0\0\0",
    b"\xff\xff\xff\xff",
    b"\x7f\xff\xff\xff",
    b"\0\0\x7f\xff",
)


def photograph(width: int = WIDTH, height: int = HEIGHT) -> Image.Image:
    """Smooth colours with some noise, RGB."""
    y, x = np.mgrid[0:height, 0:width]
    planes = np.dstack([255 * x / width, 255 * y / height, 128 + 60 * np.sin(x / 3) * np.cos(y / 4)])
    noise = np.random.default_rng(0).normal(0, 9, planes.shape)
    return Image.fromarray((planes + noise).clip(0, 255).astype(np.uint8))


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    """The image as a file."""
    buffer = io.BytesIO()
    if kind == "HEIF":
        import pillow_heif

        pillow_heif.from_pillow(image).save(buffer, **options)
    else:
        image.save(buffer, kind, **options)
    return buffer.getvalue()


def png(width: int, height: int, bits: int = 8, colour: int = 2, body: bytes | None = None) -> bytes:
    """A black PNG, made without its pixels being held; `body` in place of the packed ones."""
    if body is None:
        packer, row = zlib.compressobj(9), bytes(1 + -(-width * {0: 1, 2: 3, 6: 4}[colour] * bits // 8))
        body = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(map(chunk, (b"IHDR", b"IDAT", b"IEND"), (header, body, b"")))


def chunk(name: bytes, data: bytes) -> bytes:
    """One chunk of a PNG."""
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def profile(changed: bool = True) -> bytes:
    """A colour profile; a changed one is not taken for sRGB."""
    plain: bytes = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return plain.replace(b"\0s\0R\0G\0B", b"\0m\0i\0n\0e") if changed else plain


def valid() -> dict[str, bytes]:
    """Odd images that are sound: every one can be captioned. By name."""
    photo, frames = photograph(), [Image.new("RGB", (WIDTH, HEIGHT), colour) for colour in ("blue", "lime")]
    files = {f"plain.{kind.lower()}": encoded(photo, kind) for kind in KINDS}
    for mode in ("1", "L", "LA", "P", "RGBA", "I;16"):
        image = (
            Image.fromarray(np.asarray(photo.convert("L"), np.uint16) * 257) if mode == "I;16" else photo.convert(mode)
        )
        files |= {f"{mode}.{kind.lower()}": encoded(image, kind) for kind in ("PNG", "TIFF")}
    for mode in ("I", "F"):
        files[f"{mode}.tiff"] = encoded(Image.fromarray(np.asarray(photo.convert(mode)) * 300), "TIFF")
    for mode in ("CMYK", "LAB", "YCbCr"):
        files[f"{mode}.tiff"] = encoded(
            photo.convert("L").convert("CMYK") if mode == "CMYK" else _converted(photo, mode), "TIFF"
        )
    for kind in ("GIF", "WEBP", "TIFF", "PNG", "AVIF"):
        files[f"animated.{kind.lower()}"] = encoded(photo, kind, save_all=True, append_images=frames)
    for compression in ("tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg"):
        files[f"{compression}.tiff"] = encoded(photo, "TIFF", compression=compression)
    files |= {
        "cmyk.jpg": encoded(photo.convert("CMYK"), "JPEG"),
        "grey.jpg": encoded(photo.convert("L"), "JPEG"),
        "progressive.jpg": encoded(photo, "JPEG", progressive=True),
        "444.jpg": encoded(photo, "JPEG", subsampling=0),
        "restarts.jpg": encoded(photo, "JPEG", restart_marker_rows=1),
        "comment.jpg": encoded(photo, "JPEG", comment=b"x" * 60_000),
        "lossless.webp": encoded(photo, "WEBP", lossless=True),
        "alpha.webp": encoded(photo.convert("RGBA"), "WEBP"),
        "alpha.avif": encoded(photo.convert("RGBA"), "AVIF"),
        "transparent.gif": encoded(photo.convert("P"), "GIF", transparency=3),
        "interlaced.gif": encoded(photo.convert("P"), "GIF", interlace=1),
        "palette.bmp": encoded(photo.convert("P"), "BMP"),
        "bits16.png": png(40, 40, bits=16),
    }
    for name, icc in (
        ("sound", profile()),
        ("srgb", profile(False)),
        ("nonsense", b"nonsense" * 50),
        ("empty", b"\0" * 128),
    ):
        files |= {
            f"icc-{name}.{kind.lower()}": encoded(photo, kind, icc_profile=icc) for kind in ("JPEG", "PNG", "WEBP")
        }
    for turn in range(10):
        exif = Image.Exif()
        exif[0x0112] = turn
        files |= {f"turned{turn}.{kind.lower()}": encoded(photo, kind, exif=exif) for kind in ("JPEG", "PNG", "WEBP")}
    return files


def _converted(photo: Image.Image, mode: str) -> Image.Image:
    return Image.fromarray(np.asarray(photo), mode="LAB") if mode == "LAB" else photo.convert(mode)


def mutated(data: bytes, other: bytes, rng: random.Random) -> bytes:
    """One to five changes: bits, bytes, numbers, lengths, spans gone, twice or from elsewhere, the end cut off."""
    spoiled = bytearray(data)
    for _ in range(rng.randint(1, 5)):
        spoiled = rng.choice(_CHANGES)(spoiled or bytearray(data), other, rng)
    return bytes(spoiled)


def _bits(data: bytearray, other: bytes, rng: random.Random) -> bytearray:
    for _ in range(rng.choice((1, 1, 2, 8, 32))):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return data


def _header(data: bytearray, other: bytes, rng: random.Random) -> bytearray:
    at, new = rng.randrange(min(len(data), 400)), rng.choice((*_INTERESTING, rng.randbytes(2), rng.randbytes(4)))
    data[at : at + len(new)] = new
    return data


def _number(data: bytearray, other: bytes, rng: random.Random) -> bytearray:
    at, new = rng.randrange(len(data)), rng.choice(_INTERESTING)
    data[at : at + len(new)] = new
    return data


def _cut(data: bytearray, other: bytes, rng: random.Random) -> bytearray:
    return data[: rng.randrange(len(data)) + 1]


def _lost(data: bytearray, other: bytes, rng: random.Random) -> bytearray:
    start, end = _span(data, rng)
    return data[:start] + data[end:]


def _twice(data: bytearray, other: bytes, rng: random.Random) -> bytearray:
    start, end = _span(data, rng)
    return data[:end] + data[start:]


def _spliced(data: bytearray, other: bytes, rng: random.Random) -> bytearray:
    start, end = _span(other, rng)
    at = rng.randrange(len(data))
    return data[:at] + other[start:end] + data[at + rng.choice((0, end - start)) :]


def _span(data: bytes | bytearray, rng: random.Random) -> tuple[int, int]:
    start = rng.randrange(len(data))
    return start, min(len(data), start + rng.choice((1, 4, 12, 64, 500)))


_CHANGES = (_bits, _bits, _header, _header, _number, _cut, _lost, _twice, _spliced)
