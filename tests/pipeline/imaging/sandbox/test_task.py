"""What a decoder does with one image."""

import numpy as np
import pytest

from pipeline.core.errors import BadImage
from pipeline.imaging.decode import FORMATS, ImageLimits, open_image, resize
from pipeline.imaging.sandbox.task import Work, decoded
from tests.pipeline.imaging.image_bytes import encoded, photograph


def test_work_survives_json():
    work = Work(ImageLimits(max_bytes=7, max_megapixels=0.5, min_side=3), 32, "pad", seconds=1.5, memory_mb=100)
    assert Work.from_json(work.to_json()) == work


def test_heic_and_avif_may_take_longer():
    work = Work(ImageLimits(), 32, "pad", seconds=1.5)
    heads = {"jpeg": b"\xff\xd8\xff", "avif": b"\0\0\0\x1cftypavif", "heic": b"\0\0\0\x1cftypheic"}
    seconds = {kind: work.seconds_for(data) for kind, data in heads.items()}
    assert seconds == {"jpeg": 1.5, "avif": 6.0, "heic": 6.0 if "HEIF" in FORMATS else 1.5}
    assert work.patience_for(heads["avif"]) == 60


def test_pixels_size_and_flags_of_an_image():
    data = encoded(photograph(30, 64))
    image = decoded(data, Work(ImageLimits(), 32, "crop"))
    np.testing.assert_array_equal(image.pixels, resize(open_image(data, ImageLimits()).image, 32, "crop"))
    assert (image.width, image.height, image.flags) == (30, 64, ("small", "blurred"))
    assert decoded(data, Work.within(ImageLimits(), 32, "crop")).flags == ()


def test_an_image_beyond_the_limits_is_refused():
    with pytest.raises(BadImage) as caught:
        decoded(encoded(photograph()), Work(ImageLimits(min_side=65), 32, "squash"))
    assert caught.value.reason == "too_small"


def test_larger_images_may_take_more_time_and_memory():
    usual, large = (Work.within(ImageLimits(max_megapixels=most), 32, "pad") for most in (20, 150))
    assert usual == Work(ImageLimits(max_megapixels=20), 32, "pad", finds_flags=False)
    assert (large.seconds, large.memory_mb) == (3 * usual.seconds, 3 * usual.memory_mb)
