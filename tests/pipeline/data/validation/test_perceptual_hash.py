import numpy as np
import pytest
from PIL import Image

from pipeline.data.validation.perceptual_hash import BITS, STATISTICS, PerceptualHashes, perceptual_hash
from pipeline.imaging.averages import averages


def smooth(seed):
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), np.uint8)
    return Image.fromarray(coarse).resize((160, 120), Image.Resampling.BICUBIC)


def test_an_image_is_measured_in_few_numbers():
    measured = perceptual_hash(averages(Image.new("RGB", (8, 8), (255, 0, 0))), 4000, 1000)
    assert dict(zip(STATISTICS, measured.statistics.tolist(), strict=True)) == pytest.approx(
        {"brightness": 76 / 255, "contrast": 0, "saturation": 1, "shape": 2, "megapixels": 4}
    )
    assert 0 < perceptual_hash(averages(smooth(1)), 160, 120).hash < 2**BITS


def test_an_image_without_a_hash_has_zeros():
    hashes = PerceptualHashes.of(["a", "gone"], {"a": perceptual_hash(averages(smooth(1)), 160, 120)})
    assert (hashes.hashes != 0).tolist() == [True, False]
    assert np.linalg.norm(hashes.greys, axis=1) == pytest.approx([1, 0])
    assert hashes.of_rows(np.array([1])).statistics.tolist() == [[0] * len(STATISTICS)]
