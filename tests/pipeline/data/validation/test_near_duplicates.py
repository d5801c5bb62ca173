import io

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageEnhance

from pipeline.data.validation.near_duplicates import find_near_duplicates
from pipeline.data.validation.perceptual_hash import PerceptualHashes, perceptual_hash
from pipeline.imaging.averages import averages

BITS_APART = 14
CHANGES = {
    "compressed": lambda image: jpeg(image, 30),
    "smaller": lambda image: image.resize((60, 45)),
    "cropped": lambda image: image.crop((3, 3, 157, 117)),
    "brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.3),
    "flatter": lambda image: ImageEnhance.Contrast(image).enhance(0.7),
    "grey": lambda image: image.convert("L").convert("RGB"),
}


def smooth(seed):
    """A smooth image of 160x120 that no other seed has."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), np.uint8)
    return Image.fromarray(coarse).resize((160, 120), Image.Resampling.BICUBIC)


def jpeg(image, quality):
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return Image.open(buffer).convert("RGB")


def hashes_of(images):
    names = [str(place) for place in range(len(images))]
    return PerceptualHashes.of(
        names, {name: perceptual_hash(averages(image), *image.size) for name, image in zip(names, images, strict=True)}
    )


def duplicates(images, splits):
    rows = pd.Series(splits, index=range(100, 100 + len(splits)))
    return find_near_duplicates(hashes_of(images), rows, BITS_APART)


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_copy_in_a_later_split_is_found(change):
    originals = [smooth(seed) for seed in range(20)]
    copies = [CHANGES[change](image) for image in originals]
    pairs = duplicates(originals + copies, ["train"] * 20 + ["test"] * 20)
    assert [(each.row, each.twin) for each in pairs] == [(100 + place, 120 + place) for place in range(20)]
    assert all(each.likeness > 0.9 and each.bits <= BITS_APART for each in pairs)


def test_unlike_images_are_no_near_duplicates():
    assert not duplicates([smooth(seed) for seed in range(300)], ["train", "val", "test"] * 100)


def test_the_image_of_the_earlier_split_goes():
    image = smooth(1)
    assert [each[:2] for each in duplicates([image, image], ["test", "train"])] == [(101, 100)]
    assert [each[:2] for each in duplicates([image, image], ["val", "train"])] == [(101, 100)]
    assert [each[:2] for each in duplicates([image, image], ["val", "test"])] == [(100, 101)]
    assert not duplicates([image, image], ["train", "train"])


def test_images_of_one_colour_are_not_compared():
    plain = [Image.new("RGB", (40, 30), (shade, 90, 90)) for shade in (10, 200)]
    assert not duplicates(plain, ["train", "test"])
