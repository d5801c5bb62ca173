"""Colour modes, profiles and transparency."""

import struct

import numpy as np
import pytest
from PIL import Image, ImageCms

from pipeline.imaging import decode as images
from pipeline.imaging.decode import ImageLimits
from tests.pipeline.imaging.image_bytes import close, encoded, photograph, png

LIMITS = ImageLimits()


def test_cmyk_jpeg():
    assert close(images.decode(encoded(photograph().convert("CMYK"), "JPEG", quality=95), LIMITS), photograph())


def test_jpegs_in_inks_and_in_rgb_to_the_pixel():
    stored = photograph()
    inks = np.asarray(stored.convert("CMYK"))
    options = {"quality": 100, "subsampling": 0}
    expected = (255.0 - inks[..., :3]) * (255.0 - inks[..., 3:]) / 255
    inverted = encoded(Image.fromarray(inks, "CMYK"), "JPEG", **options)  # as Adobe stores inks
    ycc = np.asarray(Image.fromarray(inks[..., :3].copy()).convert("YCbCr"))
    ycck = bytearray(encoded(Image.fromarray(255 - np.dstack([ycc, 255 - inks[..., 3]]), "CMYK"), "JPEG", **options))
    ycck[ycck.index(b"Adobe") + 11] = 2  # the marker's colour transform
    assert np.abs(images.decode(inverted, LIMITS) - expected).max() < 3
    assert np.abs(images.decode(bytes(ycck), LIMITS) - expected).max() < 5
    plain = encoded(stored, "JPEG", quality=100, keep_rgb=True)  # transform 0
    assert np.abs(np.asarray(images.decode(plain, LIMITS), float) - stored).max() < 3


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_16_bit_grey_is_scaled_not_clipped(kind):
    ramp = np.linspace(0, 65535, 100 * 50).reshape(50, 100).astype(np.uint16)
    decoded = np.asarray(images.decode(encoded(Image.fromarray(ramp), kind), LIMITS))
    np.testing.assert_array_equal(decoded, np.dstack([ramp >> 8] * 3))


def test_16_bit_colour():
    row = struct.pack(">3H", 0xFF00, 0x8000, 0x0100) * 40
    assert images.decode(png(40, 40, bits=16, row=row), LIMITS).getpixel((20, 20)) == (0xFF, 0x80, 0x01)


@pytest.mark.parametrize("dtype", [np.int32, np.float32])
def test_32_bits_are_stretched_to_the_whole_range(dtype):
    values = np.linspace(-1000, 70_000, 64 * 64).reshape(64, 64).astype(dtype)
    decoded = np.asarray(images.decode(encoded(Image.fromarray(values), "TIFF"), LIMITS))
    assert (decoded.min(), decoded.max()) == (0, 255)


def test_alpha_lies_over_white():
    clear = Image.new("RGBA", (32, 32), (200, 0, 0, 0))
    half = Image.new("RGBA", (32, 32), (0, 0, 0, 128))
    assert images.decode(encoded(clear), LIMITS).getpixel((3, 3)) == (255, 255, 255)
    assert abs(images.decode(encoded(half), LIMITS).getpixel((3, 3))[0] - 127) <= 1


@pytest.mark.parametrize("mode", ["P", "L", "1", "LA"])
def test_other_modes(mode):
    image = photograph().convert(mode)
    assert close(images.decode(encoded(image), LIMITS), image.convert("RGB"), 2)


def test_alpha_of_a_tall_image():
    alpha = np.linspace(0, 255, 1500).astype(np.uint8)
    stored = np.zeros((1500, 20, 4), np.uint8)
    stored[..., 3] = alpha[:, None]
    decoded = np.asarray(images.decode(encoded(Image.fromarray(stored)), LIMITS))
    np.testing.assert_array_equal(decoded, np.broadcast_to(255 - alpha[:, None, None], (1500, 20, 3)))


def test_palette_with_a_transparent_entry():
    image = photograph().convert("P", palette=Image.Palette.ADAPTIVE)
    background = image.getpixel((0, 0))
    assert images.decode(encoded(image, transparency=background), LIMITS).getpixel((0, 0)) == (255, 255, 255)


def test_a_profile_is_converted_and_a_broken_one_ignored():
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    linear = bytearray(lab)
    start = linear.index(b"desc", 128)
    offset, size = struct.unpack(">II", linear[start + 4 : start + 12])
    linear[offset : offset + size] = linear[offset : offset + size].replace(b"\0s\0R\0G\0B", b"\0m\0i\0n\0e")
    channels = struct.unpack(">I", linear[linear.index(b"rXYZ", 128) + 4 :][:4])[0]
    linear[channels + 8 : channels + 20] = struct.pack(">3i", 20000, 30000, 900)  # a duller red
    changed = images.decode(encoded(photograph(), icc_profile=bytes(linear)), LIMITS)
    assert not close(changed, photograph(), 2)
    assert np.array_equal(images.decode(encoded(photograph(), icc_profile=lab), LIMITS), photograph())
    assert np.array_equal(images.decode(encoded(photograph(), icc_profile=b"nonsense" * 40), LIMITS), photograph())
