"""All rows of one image."""

import pytest

from pipeline.core.errors import SettingsError
from serving.app.history import history_of
from serving.app.review import Review


def test_every_row_is_there_and_the_persons_is_current(world):
    image = world.fill(1)[0]
    world.night(alternatives=1)
    review = Review(world.home, "ann")
    model = review.index.of(image).caption
    review.save(image, "by hand", model)
    told = history_of(review, image)
    rows = [(row["caption"], row["by"], row["night"], row["is_current"]) for row in told["rows"]]
    assert rows == [("by hand", "ann", None, True), (model, "captioner version 3", "n1", False)]
    assert (told["rows"][1]["flags"], image in review.listed) == (["small", "blank", "dark"], True)
    review.undo(image)
    states = [(row["caption"], row["withdrawn"], row["is_current"]) for row in history_of(review, image)["rows"]]
    assert sorted(states) == sorted([("by hand", True, False), (model, False, True)])


def test_a_quarantined_image_says_why_and_an_unknown_one_is_refused(world):
    image = world.put("empty.jpg", b"")
    world.night()
    review = Review(world.home, "ann")
    (row,) = history_of(review, image)["rows"]
    assert (row["reason"], row["meaning"], row["is_current"]) == ("empty", "The file has no bytes.", False)
    with pytest.raises(SettingsError, match="no row of /etc/passwd"):
        history_of(review, "/etc/passwd")
    assert review.listed == {image}
