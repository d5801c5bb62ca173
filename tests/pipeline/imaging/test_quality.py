"""Which images get which flags."""

import numpy as np
import pytest
from PIL import Image, ImageFilter

from benchmarks.odd_images import photograph
from pipeline.imaging.quality import flags_of


def flags(image):
    return flags_of(image, *image.size)


def scene(width=400, height=300):
    """An image with edges."""
    rng = np.random.default_rng(3)
    blocks = rng.integers(0, 256, (15, 20, 3), dtype=np.uint8)
    return Image.fromarray(blocks).resize((width, height), Image.Resampling.NEAREST)


def test_a_normal_image_has_no_flags():
    assert flags(scene()) == ()
    assert flags(photograph(300, 200)) == ()


@pytest.mark.parametrize("colour", ["white", "black", "red", (90, 91, 92)])
def test_one_colour_is_blank(colour):
    assert "blank" in flags(Image.new("RGB", (80, 60), colour))


def test_a_trace_of_noise_is_blank_still_and_a_shape_is_not():
    noise = np.random.default_rng(0).integers(120, 123, (60, 80, 3), dtype=np.uint8)
    assert flags(Image.fromarray(noise)) == ("blank",)
    shape = Image.new("RGB", (80, 60), "white")
    shape.paste("grey", (30, 20, 50, 40))
    assert flags(shape) == ()


def test_a_fifth_of_the_light_is_dark_and_a_lamp_at_night_is_not():
    assert flags(scene().point(lambda value: value * 0.15)) == ("dark",)
    night = Image.new("RGB", (400, 300), (5, 5, 12))
    night.paste((255, 240, 200), (180, 100, 230, 140))
    assert flags(night) == ()


@pytest.mark.parametrize("size", [(400, 300), (2000, 1400)])
def test_heavy_blur_at_any_size(size):
    sharp = scene(*size)
    assert flags(sharp) == ()
    assert flags(sharp.filter(ImageFilter.GaussianBlur(size[0] * 0.03))) == ("blurred",)


def test_small_is_of_the_original():
    assert flags(scene(40, 20)) == ("small",)
    assert flags_of(scene(40, 40), 400, 400) == ()


@pytest.mark.parametrize("size", [(1, 1), (1, 900), (900, 1), (8, 8), (9, 3000)])
def test_any_size_will_do(size):
    assert set(flags(Image.new("RGB", size, "grey"))) <= {"small", "blank"}


def test_photographs_have_none(shared_data):
    paths = sorted((shared_data / "data" / "flickr8k" / "images").glob("*.jpg"))[:40]
    assert paths
    flagged = [flags(Image.open(path).convert("RGB")) for path in paths]
    assert flagged == [()] * len(paths)
