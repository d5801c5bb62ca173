"""Encoded images that tests make, and whether two look alike."""

import io
import struct
import zlib

import numpy as np
from PIL import Image


def encoded(image, kind="PNG", **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def png(width, height, bits=8, colour=2, row=None):
    """A PNG of equal rows, black by default, made without its pixels in memory."""
    compressor = zlib.compressobj(9)
    row = row or bytes(width * {0: 1, 2: 3, 6: 4}[colour] * bits // 8)
    body = b"".join(compressor.compress(b"\0" + row) for _ in range(height)) + compressor.flush()
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", body), (b"IEND", b""))
    packed = (struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in chunks)
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


def photograph(width=96, height=64):
    """Smooth colours, different in each quarter, so that turning it is seen."""
    y, x = np.mgrid[0:height, 0:width]
    red, green = 255 * x / width, 255 * y / height
    return Image.fromarray(np.dstack([red, green, np.full_like(red, 90)]).astype(np.uint8))


def close(left, right, tolerance=12.0):
    return np.abs(np.asarray(left, float) - np.asarray(right, float)).mean() < tolerance
