import pytest

from pipeline.registry.lineage import START_TAG, Lineage
from pipeline.registry.versions import DIGEST_TAG, Version
from pipeline.release.gate.contamination import contamination
from pipeline.storage.stage_outputs import Store
from tests.pipeline.registry.light_registry import home_in
from tests.pipeline.training.training_outputs import listed, train

FIRST, SECOND, THIRD = "1" * 64, "2" * 64, "3" * 64
TESTS = {f"{name}.jpg": "test" for name in "abcdef"}


def version(number, **tags):
    return Version("captioner", number, "", (), tags, 0)


ONE = version("1", **{DIGEST_TAG: FIRST})
TWO = version("2", **{DIGEST_TAG: SECOND, START_TAG: FIRST})
THREE = version("3", **{DIGEST_TAG: THIRD})
VERSIONS = [THREE, TWO, ONE]


@pytest.fixture
def lineage(tmp_path):
    """Version 1 was trained and chosen on two of today's test images, version 2 continues it, version 3 saw none."""
    home = home_in(tmp_path)
    train(home, "one", {"a.jpg": "train", "b.jpg": "val", "c.jpg": "test", "x.jpg": "train"}, FIRST)
    train(home, "two", {"x.jpg": "train", **TESTS}, SECOND, begun_with=FIRST)
    train(home, "three", {"y.jpg": "train", **TESTS}, THIRD)
    return Lineage(Store(home.store))


def found(lineage, *compared, tests=TESTS):
    return contamination(listed(tests), lineage, compared, VERSIONS)


def test_test_images_that_trained_or_chose_the_champion_leave(lineage):
    overlap = found(lineage, THREE, ONE)
    assert overlap.left_out == {"a.jpg", "b.jpg"}
    assert overlap.check.passed
    assert overlap.check.text == "2 of 6 test images left the comparison: 2 trained version 1"


def test_so_do_those_of_the_version_that_training_began_with(lineage):
    overlap = found(lineage, TWO, THREE)
    assert overlap.left_out == {"a.jpg", "b.jpg"}
    assert "2 trained version 2" in overlap.check.text


def test_images_under_another_name_are_known_by_their_bytes(lineage):
    tests = listed(TESTS).assign(image=[f"renamed/{name}" for name in TESTS])
    assert contamination(tests, lineage, [ONE], VERSIONS).left_out == {"renamed/a.jpg", "renamed/b.jpg"}


def test_where_none_was_seen_all_stay(lineage):
    overlap = found(lineage, THREE)
    assert (overlap.left_out, overlap.check.passed) == (frozenset(), True)
    assert overlap.check.text == "no test image is known to have trained a compared version"


def test_where_nothing_is_left_to_compare_the_version_is_refused(lineage):
    overlap = found(lineage, THREE, ONE, tests={"a.jpg": "test", "b.jpg": "test", "c.jpg": "test"})
    assert not overlap.check.passed
    assert overlap.left_out == frozenset()  # a comparison needs images, though it decides nothing
    assert "2 of 3 test images leave none to compare" in overlap.check.text


def test_a_version_whose_data_are_gone_is_named(lineage):
    unknown = version("9")
    overlap = contamination(listed(TESTS), lineage, [THREE, unknown], [*VERSIONS, unknown])
    assert overlap.check.passed
    assert overlap.check.text.endswith("; not known here: all data of version 9")
