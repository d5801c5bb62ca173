import numpy as np
import pytest

from pipeline.model.vocabulary import Vocabulary
from pipeline.training.augmentation import KEPT, MIRRORED, WHOLE_VIEW, is_mirrored, mirrored_words, view_of

SIDE = 32


@pytest.fixture
def image():
    """Red grows to the right and green to the bottom."""
    ramp = np.linspace(0, 255, SIDE).astype(np.uint8)
    blue = np.zeros((SIDE, SIDE), np.uint8)
    return np.stack([np.tile(ramp, (SIDE, 1)), np.tile(ramp[:, None], (1, SIDE)), blue], axis=-1)


def test_the_first_views_are_the_image_and_its_mirror_image(image):
    assert (view_of(image, WHOLE_VIEW) == image).all()
    assert (view_of(image, MIRRORED)[:, ::-1] == image).all()


@pytest.mark.parametrize("view", range(8))
def test_every_view_has_the_images_form(image, view):
    seen = view_of(image, view)
    assert seen.shape == image.shape
    assert seen.dtype == np.uint8
    assert seen.flags["C_CONTIGUOUS"]


@pytest.mark.parametrize("view", range(8))
def test_left_and_right_change_places_in_mirrored_views_only(image, view):
    grows = int(view_of(image, view)[0, -1, 0]) - int(view_of(image, view)[0, 0, 0])
    assert (grows < 0) == is_mirrored(view)


@pytest.mark.parametrize("view", range(2, 8))
def test_a_crop_shows_most_of_the_image_enlarged(image, view):
    red = view_of(image, view)[..., 0].astype(int)
    assert red.max() - red.min() == pytest.approx(255 * KEPT, abs=10)


def test_crops_differ(image):
    assert len({view_of(image, view).tobytes() for view in range(2, 7)}) == 5


def test_words_of_sides_change_places_and_no_others():
    words = Vocabulary.of(["left", "dog", "right"])
    turned = mirrored_words(words.words)
    assert words.decode(turned[words.encode("left dog right", 9)].tolist()) == "right dog left"
    assert (turned[turned] == np.arange(len(words))).all()


def test_a_side_whose_opposite_is_unknown_stays():
    words = Vocabulary.of(["left", "dog"])
    assert (mirrored_words(words.words) == np.arange(len(words))).all()
