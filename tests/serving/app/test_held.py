"""A night that waits for a person."""

import pytest

from pipeline.core.errors import SettingsError
from pipeline.storage.forgotten import remember_to_forget
from serving.app.held import held_captions
from serving.app.review import Review
from serving.runs.lifecycle import RunFolder


@pytest.fixture
def held(world):
    paths = [*world.fill(60), world.put("white.jpg", b"")]
    RunFolder.holding(world.captioned("n1", part_size=7)).hold(["drift"], "captions are unlike the model's")
    return paths


def test_captions_that_wait_are_shown_with_what_would_publish_them(world, held):
    review = Review(world.home, "ann")
    told = held_captions(review, "n1")
    assert (told["captioned"], told["message"]) == (60, "captions are unlike the model's")
    assert told["accept"] == ["night", "--night", "n1", "--accept-drift"]
    assert len(told["shown"]) == 48 and {row["image"] for row in told["shown"]} == review.listed <= set(held)
    assert len({row["caption"] for row in told["shown"] if row["caption"]}) > 40


def test_a_forgotten_image_is_not_shown_and_a_night_that_is_not_held_is_refused(world, held):
    review = Review(world.home, "ann")
    image = held_captions(review, "n1")["shown"][0]["image"]
    remember_to_forget(world.home.store, [image])
    assert image not in {row["image"] for row in held_captions(review, "n1")["shown"]}
    with pytest.raises(SettingsError, match="'n2' is not held back"):
        held_captions(review, "n2")
