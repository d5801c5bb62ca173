"""The coarse grids of an image."""

import numpy as np
from PIL import Image

from pipeline.imaging.averages import LENGTH, as_grids, averages
from tests.pipeline.imaging.image_bytes import photograph


def test_both_grids_come_back_as_they_were():
    image = photograph(300, 200)
    values = averages(image)
    assert (values.dtype, values.shape) == (np.uint8, (LENGTH,))
    colours, grey = as_grids(values)
    np.testing.assert_array_equal(colours, np.asarray(image.resize((16, 16), Image.Resampling.BOX), np.float32))
    expected = np.asarray(image.convert("L").resize((32, 32), Image.Resampling.BOX), np.float32)
    np.testing.assert_array_equal(grey, expected)
