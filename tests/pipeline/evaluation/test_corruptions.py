import numpy as np
import pytest

from pipeline.core.errors import SettingsError
from pipeline.evaluation.corruptions import KINDS, degrade
from pipeline.storage.files import sha256

SHAS = [sha256(str(index).encode()) for index in range(40)]


@pytest.fixture
def image():
    """Stripes and a slope: something for every kind to spoil."""
    y, x = np.mgrid[:112, :112]
    return np.stack([x * 2, y * 2, (x // 4 % 2) * 200 + 20], axis=-1).astype(np.uint8)


@pytest.mark.parametrize("kind", KINDS)
def test_an_image_is_always_spoiled_alike_and_left_as_it_was(image, kind):
    before = image.copy()
    spoiled = degrade(kind, image, SHAS[0])
    assert (spoiled.shape, spoiled.dtype) == (image.shape, np.uint8)
    assert np.array_equal(spoiled, degrade(kind, image, SHAS[0]))
    assert np.array_equal(image, before)
    assert not np.array_equal(spoiled, image)


def test_an_unknown_kind_lists_the_others(image):
    with pytest.raises(SettingsError, match=r"'smoke'; choose one of blur, heavy_blur"):
        degrade("smoke", image, SHAS[0])


def test_blank_images_are_one_grey_each_from_black_to_white(image):
    blanks = [degrade("blank", image, sha) for sha in [*SHAS, *map(sha256, map(bytes, range(1, 100)))]]
    assert all(len(np.unique(blank)) == 1 for blank in blanks)
    greys = {int(blank[0, 0, 0]) for blank in blanks}
    assert greys == set(range(0, 256, 17))


@pytest.mark.parametrize(("kind", "share"), [("covered_25", 0.25), ("covered_50", 0.5)])
def test_so_much_is_covered_in_another_place_for_another_image(kind, share):
    white = np.full((224, 224, 3), 255, np.uint8)
    hidden = [(degrade(kind, white, sha) == 128).all(axis=-1) for sha in SHAS]
    assert [mask.mean() for mask in hidden] == pytest.approx([share] * len(SHAS), abs=0.01)
    assert len({mask.tobytes() for mask in hidden}) > 30
    rows, columns = hidden[0].any(axis=1), hidden[0].any(axis=0)
    assert np.array_equal(hidden[0], np.outer(rows, columns))


def test_the_heavy_blur_leaves_less_than_the_mild_one(image):
    stripes = [np.diff(spoiled[..., 2].astype(int), axis=1).std() for spoiled in _spoiled(image, "blur", "heavy_blur")]
    original = np.diff(image[..., 2].astype(int), axis=1).std()
    assert original > 2 * stripes[0] > 20 * stripes[1]


def test_noise_changes_values_but_not_their_mean(image):
    grey = np.full_like(image, 128)
    (noisy,) = _spoiled(grey, "noise")
    assert noisy.std() == pytest.approx(40, rel=0.03)
    assert noisy.mean() == pytest.approx(128, abs=1)


def test_a_fifth_of_the_light_is_left(image):
    (dark,) = _spoiled(image, "darkness")
    assert dark.max() == int(image.max() * 0.2)


def _spoiled(image, *kinds):
    return [degrade(kind, image, SHAS[1]) for kind in kinds]
