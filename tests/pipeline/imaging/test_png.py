"""PNGs of every colour type and depth, written by hand, against the pixels that the specification gives them."""

import struct
import zlib

import numpy as np
import pytest
from PIL import ImageCms

from pipeline.imaging import decode as images
from pipeline.imaging.decode import ImageLimits

GREY, RGB, PALETTE, GREY_ALPHA, RGBA = 0, 2, 3, 4, 6
CHANNELS = {GREY: 1, RGB: 3, PALETTE: 1, GREY_ALPHA: 2, RGBA: 4}
DEPTHS = {GREY: (1, 2, 4, 8, 16), RGB: (8, 16), PALETTE: (1, 2, 4, 8), GREY_ALPHA: (8, 16), RGBA: (8, 16)}


def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def written(colour, bits, samples, *before):
    """A PNG of samples [height, width, channels]."""
    rows = b""
    for row in samples:
        if bits == 16:
            rows += b"\0" + row.astype(">u2").tobytes()
            continue
        text = "".join(f"{int(value):0{bits}b}" for value in row.ravel())
        text = text.ljust(-(-len(text) // 8) * 8, "0")
        rows += b"\0" + int(text, 2).to_bytes(len(text) // 8, "big")
    height, width = samples.shape[:2]
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0))
    body = b"".join(chunk(*each) for each in before)
    return b"\x89PNG\r\n\x1a\n" + header + body + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


@pytest.mark.parametrize("transparent", [False, True])
@pytest.mark.parametrize(("colour", "bits"), [(colour, bits) for colour, depths in DEPTHS.items() for bits in depths])
def test_every_colour_type_and_depth(colour, bits, transparent):
    rng, top = np.random.default_rng(bits), 2**bits - 1
    samples = rng.integers(0, top + 1, (20, 23, CHANNELS[colour]))
    before, alpha, scaled = [], np.ones((20, 23, 1)), samples / top * 255
    if colour == PALETTE:
        palette = rng.integers(0, 256, (top + 1, 3))
        before.append((b"PLTE", palette.astype(np.uint8).tobytes()))
        pixels = palette[samples[..., 0]]
    else:
        pixels = scaled[..., :3] if colour in (RGB, RGBA) else scaled[..., :1].repeat(3, axis=-1)
    if colour in (GREY_ALPHA, RGBA):
        alpha = scaled[..., -1:] / 255
    elif transparent and colour == PALETTE:
        clear = rng.integers(0, 256, 2)
        before.append((b"tRNS", clear.astype(np.uint8).tobytes()))
        alpha = np.append(clear, np.full(top, 255))[samples] / 255
    elif transparent:
        key = samples[3, 4]
        before.append((b"tRNS", struct.pack(f">{len(key)}H", *key.tolist())))
        alpha = 1.0 - (samples == key).all(axis=-1, keepdims=True)
    expected = pixels * alpha + 255 * (1 - alpha)
    decoded = np.asarray(images.decode(written(colour, bits, samples, *before), ImageLimits()), float)
    assert np.abs(decoded - expected).max() < 3


@pytest.mark.parametrize("bits", [8, 16])
def test_a_gamma_is_applied_unless_the_colours_are_known_better(bits):
    levels = np.linspace(0, 2**bits - 1, 256).astype(int)[None].repeat(9, axis=0)[..., None]
    linear = (b"gAMA", struct.pack(">I", 100_000))

    def seen(*before):
        return np.asarray(images.decode(written(GREY, bits, levels, *before), ImageLimits()), float)[0, :, 0]

    expected = 255 * (np.arange(256) / 255) ** (1 / 2.2)
    assert np.abs(seen(linear) - expected)[4:].max() < 3
    profile = zlib.compress(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    for better in ((b"sRGB", b"\0"), (b"iCCP", b"name\0\0" + profile)):
        assert np.abs(seen(linear, better) - np.arange(256)).max() <= 1
    for usual in ((b"gAMA", struct.pack(">I", 45_455)), (b"gAMA", bytes(4)), (b"gAMA", b"\xff" * 4)):
        assert np.abs(seen(usual) - np.arange(256)).max() <= 1


def test_transparency_with_a_gamma():
    samples = np.full((16, 16, 4), (188, 188, 188, 0))
    samples[8:, :, 3] = 255
    data = written(RGBA, 8, samples, (b"gAMA", struct.pack(">I", 100_000)))
    decoded = np.asarray(images.decode(data, ImageLimits()))
    assert decoded[0, 0].tolist() == [255, 255, 255]
    assert decoded[-1, 0].tolist() == [round(255 * (188 / 255) ** (1 / 2.2))] * 3


@pytest.mark.parametrize(
    ("colour", "before", "first"),
    [
        (RGB, [], 1),
        (RGBA, [], 1),
        (RGB, [(b"tRNS", bytes(6))], 2),
        (GREY, [(b"tRNS", bytes(2))], 2),
        (PALETTE, [(b"PLTE", bytes(6)), (b"tRNS", bytes(2))], 1),
        (RGB, [(b"gAMA", struct.pack(">I", 100_000))], 2),
        (RGB, [(b"gAMA", struct.pack(">I", 45_455)), (b"sRGB", b"\0")], 1),
    ],
)
def test_21_4_only_pngs_that_were_read_otherwise_have_a_later_decoding(colour, before, first):
    assert images.decoding_of(written(colour, 8, np.zeros((9, 9, CHANNELS[colour]), int), *before)) == first
