"""Odd, damaged and hostile images: what becomes of each, in what time and memory."""

import io
import struct
import subprocess
import sys
import time
import tracemalloc
import zlib

import numpy as np
import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms, ImageOps

from pipeline.core.errors import BadImage
from pipeline.core.reasons import DECODE_REASONS
from pipeline.imaging import decode as images
from pipeline.imaging.decode import ImageLimits

LIMITS = ImageLimits()


def encoded(image, kind="PNG", **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def png(width, height, bits=8, colour=2, row=None):
    """A PNG of equal rows, black unless told, made without holding its pixels."""
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


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF"])
def test_every_listed_format_is_read_as_itself(kind):
    image = photograph()
    decoded = images.decode(encoded(image, kind), LIMITS)
    assert (decoded.mode, decoded.size) == ("RGB", image.size)
    assert close(decoded, image)


@pytest.fixture
def as_heic():
    """A writer of HEIC, which Pillow has not."""
    pytest.importorskip("pi_heif", reason="needs the extra heic")
    pillow_heif = pytest.importorskip("pillow_heif")

    def write(image, **options):
        buffer = io.BytesIO()
        pillow_heif.from_pillow(image).save(buffer, quality=95, **options)
        return buffer.getvalue()

    return write


def test_heic_is_read_upright_and_over_white(as_heic):
    image = photograph()
    assert close(images.decode(as_heic(image), LIMITS), image)
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = images.open_image(as_heic(image, exif=exif.tobytes()), LIMITS)
    assert (turned.width, turned.height) == image.size[::-1]
    assert close(turned.image, image.transpose(Image.Transpose.ROTATE_270))
    clear = Image.merge("RGBA", [*image.split(), Image.new("L", image.size, 0)])
    assert close(images.decode(as_heic(clear), LIMITS), Image.new("RGB", image.size, "white"))


def test_heic_is_refused_with_a_reason(as_heic, monkeypatch):
    data = as_heic(photograph())
    assert {reason(data[:size]) for size in (len(data) // 2, len(data) - 9)} == {"truncated"}
    assert reason(data, ImageLimits(max_megapixels=0.006)) == "too_many_pixels"
    monkeypatch.setattr(images, "FORMATS", tuple(name for name in images.FORMATS if name != "HEIF"))
    with pytest.raises(BadImage, match=r"HEIC without the extra `heic`.* is not supported") as caught:
        images.decode(data, LIMITS)
    assert caught.value.reason == "unsupported_format"


def test_cmyk_jpeg():
    assert close(images.decode(encoded(photograph().convert("CMYK"), "JPEG", quality=95), LIMITS), photograph())


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


def test_first_frame_of_an_animation():
    frames = [Image.new("RGB", (40, 30), colour) for colour in ("red", "blue", "lime")]
    for kind in ("GIF", "WEBP", "TIFF"):
        data = encoded(frames[0], kind, save_all=True, append_images=frames[1:])
        assert close(images.decode(data, LIMITS), frames[0], 5), kind


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_gives_an_upright_image_and_its_size(kind, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = photograph()
    data = encoded(stored, kind, exif=exif)
    tagged = Image.open(io.BytesIO(data))
    tagged.load()
    expected = ImageOps.exif_transpose(tagged)
    for side in (None, 8):
        image = images.open_image(data, LIMITS, side)
        assert (image.width, image.height) == expected.size
        assert close(image.image, expected.resize(image.image.size), 6)


def test_damaged_exif_costs_nothing():
    data = encoded(photograph(), "JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff\x01\x12" + bytes(9))
    assert close(images.decode(data, LIMITS), photograph())


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


def reason(data, limits=LIMITS):
    with pytest.raises(BadImage) as caught:
        images.decode(data, limits)
    assert caught.value.reason in DECODE_REASONS
    return caught.value.reason


def test_refusals():
    jpeg = encoded(photograph(), "JPEG")
    whole = encoded(photograph())
    assert reason(b"") == "empty"
    assert reason(b"<!DOCTYPE html><html><body>404</body></html>") == "not_an_image"
    assert reason(bytes(1000)) == "not_an_image"
    assert reason(b"%PDF-1.7 ...") == "unsupported_format"
    assert reason(encoded(photograph(), "ICO")) == "unsupported_format"
    assert reason(b"\0\0\0\x18ftyphevc" + bytes(100)) == "unsupported_format"
    assert reason(jpeg[: len(jpeg) // 2]) == "truncated"
    assert reason(whole[:20]) == "truncated"
    assert reason(whole[:60] + bytes(200) + whole[-12:]) == "corrupt"
    assert reason(jpeg, ImageLimits(max_bytes=100)) == "too_large_file"
    assert reason(jpeg, ImageLimits(max_megapixels=0.006)) == "too_many_pixels"
    assert reason(encoded(Image.new("L", (500, 7)))) == "too_small"


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"])
def test_cut_files_are_truncated_wherever_they_are_cut(kind):
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 255, (80, 90, 3), dtype=np.uint8))
    data = encoded(noise, kind)
    assert {reason(data[: len(data) * part // 10]) for part in range(2, 9)} == {"truncated"}


@settings(max_examples=150, deadline=None)
@given(data=st.data(), kind=st.sampled_from(["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"]))
def test_damage_ends_in_an_image_or_a_reason(data, kind):
    damaged = bytearray(encoded(photograph(40, 30), kind))
    for _ in range(data.draw(st.integers(1, 6))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    damaged = bytes(damaged[: data.draw(st.integers(1, len(damaged)))])
    try:
        assert images.pixels(damaged, 16, "squash", LIMITS).shape == (16, 16, 3)
    except BadImage as bad:
        assert bad.reason in DECODE_REASONS


def test_a_huge_image_is_refused_by_its_header():
    huge = png(20_000, 20_000, bits=1, colour=0)
    reason(huge)  # Pillow's plugins are loaded once
    process = psutil.Process()
    before, started = process.memory_info().rss, time.perf_counter()
    tracemalloc.start()
    assert reason(huge) == "too_many_pixels"
    seconds, (_, peak) = time.perf_counter() - started, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert seconds < 0.05
    assert peak < 5e6
    assert process.memory_info().rss - before < 20e6


def test_the_largest_image_allowed_fits_in_memory(tmp_path):
    (tmp_path / "large.png").write_bytes(png(7000, 7000, colour=6))
    code = """if True:
        import pathlib, sys
        from pipeline.imaging import decode as images
        def peak(): return int(pathlib.Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) / 1000
        before = peak()
        data = pathlib.Path(sys.argv[1]).read_bytes()
        images.pixels(data, 299, "squash", images.ImageLimits())
        print(peak() - before)
    """
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "large.png"], capture_output=True, text=True, check=True
    )
    assert 100 < float(done.stdout) < 600  # megabytes; 49 megapixels in four channels alone are 196


def test_a_large_jpeg_is_reduced_while_decoding_and_looks_the_same():
    large = photograph(1600, 1200)
    data = encoded(large, "JPEG", quality=95)
    image = images.open_image(data, LIMITS, 100)
    assert min(image.image.size) >= 200
    assert max(image.image.size) < 1600
    assert (image.width, image.height) == (1600, 1200)
    assert close(images.pixels(data, 100, "squash", LIMITS), images.resize(large, 100, "squash"), 2)


@pytest.mark.parametrize("size", [(96, 64), (64, 96), (3000, 8), (8, 3000), (50, 50)])
@pytest.mark.parametrize("fit", ["squash", "pad", "crop"])
def test_resize_gives_a_square_of_bytes(size, fit):
    result = images.resize(photograph(*size), 75, fit)
    assert (result.shape, result.dtype) == ((75, 75, 3), np.uint8)


def test_pad_keeps_the_whole_and_crop_the_middle():
    thirds = Image.new("RGB", (300, 100), "red")
    thirds.paste("blue", (100, 0, 200, 100))
    padded, cropped = images.resize(thirds, 90, "pad"), images.resize(thirds, 90, "crop")
    assert tuple(padded[0, 45]) == images.GREY
    assert tuple(padded[45, 0]) == (255, 0, 0)
    assert (cropped == (0, 0, 255)).all(axis=-1)[:, 3:-3].all()


def test_detail_does_not_alias():
    stripes = Image.fromarray(np.tile(np.array([[0], [255]], np.uint8), (400, 800)))
    assert np.abs(images.resize(stripes.convert("RGB"), 100, "squash").astype(int) - 127).max() <= 2


def test_thumbnail_keeps_the_aspect_ratio_and_the_image():
    image = photograph(600, 300)
    small = Image.open(io.BytesIO(images.thumbnail(image, 100)))
    assert (small.format, small.size) == ("JPEG", (100, 50))
    assert image.size == (600, 300)
