"""What a decoder does with one image."""

import numpy as np
import pytest

from pipeline.core.errors import BadImage
from pipeline.imaging.decode import ImageLimits, open_image, resize
from pipeline.imaging.sandbox.task import Work, decoded
from tests.pipeline.imaging.image_bytes import encoded, photograph


def test_work_survives_json():
    work = Work(ImageLimits(max_bytes=7, max_megapixels=0.5, min_side=3), 32, "pad", seconds=1.5, memory_mb=100)
    assert Work.from_json(work.to_json()) == work
    assert work.patience_s == 15


def test_pixels_size_and_flags_of_an_image():
    data = encoded(photograph(30, 64))
    image = decoded(data, Work(ImageLimits(), 32, "crop"))
    np.testing.assert_array_equal(image.pixels, resize(open_image(data, ImageLimits()).image, 32, "crop"))
    assert (image.width, image.height, image.flags) == (30, 64, ("small", "blurred"))


def test_an_image_beyond_the_limits_is_refused():
    with pytest.raises(BadImage) as caught:
        decoded(encoded(photograph()), Work(ImageLimits(min_side=65), 32, "squash"))
    assert caught.value.reason == "too_small"
