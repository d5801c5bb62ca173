"""Odd, damaged and hostile images: what becomes of each, in what time and memory."""

import io
import subprocess
import sys
import time
import tracemalloc

import numpy as np
import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from pipeline.core.errors import BadImage
from pipeline.core.reasons import DECODE_REASONS
from pipeline.imaging import decode as images
from pipeline.imaging.decode import ImageLimits
from tests.pipeline.imaging.image_bytes import close, encoded, photograph, png

LIMITS = ImageLimits()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF"])
def test_every_listed_format_is_read_as_itself(kind):
    image = photograph()
    decoded = images.decode(encoded(image, kind), LIMITS)
    assert (decoded.mode, decoded.size) == ("RGB", image.size)
    assert close(decoded, image)


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


def test_damaged_exif_is_ignored():
    data = encoded(photograph(), "JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff\x01\x12" + bytes(9))
    assert close(images.decode(data, LIMITS), photograph())


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
