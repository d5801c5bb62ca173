import numpy as np
import pytest

from pipeline.core.errors import SettingsError
from pipeline.evaluation.corruptions import KINDS, degrade
from pipeline.storage.files import sha256

SHAS = [sha256(str(index).encode()) for index in range(40)]


@pytest.fixture
def picture():
    """Stripes and a slope: something for every kind to spoil."""
    y, x = np.mgrid[:112, :112]
    return np.stack([x * 2, y * 2, (x // 4 % 2) * 200 + 20], axis=-1).astype(np.uint8)


@pytest.mark.parametrize("kind", KINDS)
def test_a_picture_is_always_spoiled_alike_and_left_as_it_was(picture, kind):
    before = picture.copy()
    spoiled = degrade(kind, picture, SHAS[0])
    assert (spoiled.shape, spoiled.dtype) == (picture.shape, np.uint8)
    assert np.array_equal(spoiled, degrade(kind, picture, SHAS[0]))
    assert np.array_equal(picture, before)
    assert not np.array_equal(spoiled, picture)


def test_an_unknown_kind_lists_the_known_ones(picture):
    with pytest.raises(SettingsError, match=r"'smoke'; known are blur, heavy_blur"):
        degrade("smoke", picture, SHAS[0])


def test_blank_pictures_are_one_grey_each_from_black_to_white(picture):
    blanks = [degrade("blank", picture, sha) for sha in [*SHAS, *map(sha256, map(bytes, range(1, 100)))]]
    assert all(len(np.unique(blank)) == 1 for blank in blanks)
    greys = {int(blank[0, 0, 0]) for blank in blanks}
    assert greys == set(range(0, 256, 17))


@pytest.mark.parametrize(("kind", "share"), [("covered_25", 0.25), ("covered_50", 0.5)])
def test_so_much_is_covered_in_another_place_for_another_picture(kind, share):
    white = np.full((224, 224, 3), 255, np.uint8)
    hidden = [(degrade(kind, white, sha) == 128).all(axis=-1) for sha in SHAS]
    assert [mask.mean() for mask in hidden] == pytest.approx([share] * len(SHAS), abs=0.01)
    assert len({mask.tobytes() for mask in hidden}) > 30
    rows, columns = hidden[0].any(axis=1), hidden[0].any(axis=0)
    assert np.array_equal(hidden[0], np.outer(rows, columns))


def test_the_heavy_blur_leaves_less_than_the_mild_one(picture):
    stripes = [
        np.diff(spoiled[..., 2].astype(int), axis=1).std() for spoiled in _spoiled(picture, "blur", "heavy_blur")
    ]
    original = np.diff(picture[..., 2].astype(int), axis=1).std()
    assert original > 2 * stripes[0] > 20 * stripes[1]


def test_noise_changes_values_but_not_their_mean(picture):
    grey = np.full_like(picture, 128)
    (noisy,) = _spoiled(grey, "noise")
    assert noisy.std() == pytest.approx(40, rel=0.03)
    assert noisy.mean() == pytest.approx(128, abs=1)


def test_a_fifth_of_the_light_is_left(picture):
    (dark,) = _spoiled(picture, "darkness")
    assert dark.max() == int(picture.max() * 0.2)


def _spoiled(picture, *kinds):
    return [degrade(kind, picture, SHAS[1]) for kind in kinds]
