"""What a person does with captions."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from pipeline.core.errors import SettingsError
from pipeline.storage.forgotten import remember_to_forget
from pipeline.storage.tables import CaptionTable
from pipeline.storage.tables.corrections import Correction, CorrectionTable
from pipeline.storage.tables.reviews import ReviewTable
from serving.app.review import Conflict, Review
from serving.upkeep.correct import publish_corrections


def current(world, image):
    return CaptionTable(world.home.captions).current([image]).get(image)


def test_words_are_a_row_and_a_correction_until_they_are_taken_back(world):
    image = world.fill(2)[0]
    world.night()
    review = Review(world.home, "ann")
    model = current(world, image)
    review.save(image, " by hand ", model)
    assert (current(world, image), review.index.of(image).who) == ("by hand", "ann")
    assert [each.caption for each in CorrectionTable(world.home.store / "corrections").read()] == ["by hand"]
    review.undo(image)
    assert (current(world, image), review.index.of(image).source) == (model, "model")
    with pytest.raises(SettingsError, match="ann wrote no caption"):
        review.undo(image)


def test_the_second_of_two_is_shown_the_words_of_the_first(world):
    image = world.fill(1)[0]
    world.night()
    ann, bob = (Review(world.home, who) for who in ("ann", "bob"))
    model = current(world, image)
    ann.save(image, "ann's words", model)
    with pytest.raises(Conflict, match="changed by ann") as caught:
        bob.save(image, "bob's words", model)
    assert bob.index.of(image).caption == "ann's words"
    assert set(caught.value.told.values()) == {"ann's words", "bob's words"}
    bob.save(image, "bob's words", "ann's words")
    assert current(world, image) == "bob's words"
    with pytest.raises(SettingsError, match="no caption of"):
        Review(world.home, "eve").undo(image)


def test_words_under_an_older_form_of_the_name_are_taken_back(world):
    image = world.fill(1)[0]
    world.night()
    model = current(world, image)
    older = Correction(image, "by hand", " Rene\u0301  X ", datetime(2025, 3, 1, tzinfo=UTC))
    publish_corrections(world.home, CorrectionTable(world.home.store / "corrections"), [older])
    review = Review(world.home, "Ren\u00e9 X")
    assert review.wrote(review.index.of(image).who) and not review.wrote("ann")
    review.undo(image)
    assert current(world, image) == model


def test_a_form_that_is_sent_twice_is_one_and_line_breaks_are_blanks(world):
    image = world.fill(1)[0]
    world.night()
    review = Review(world.home, "ann")
    model = current(world, image)
    for _ in range(2):
        review.save(image, "by\r\nhand", model.replace(" ", "\r\n"))
    assert current(world, image) == "by hand"
    review.undo(image)
    assert current(world, image) == model


def test_words_left_as_they_were_are_a_review_and_no_caption(world):
    kept, edited = world.fill(2)
    world.night()
    rows, reviews = len(world.rows()), ReviewTable.of(world.home.store)
    ann, bob = (Review(world.home, who) for who in ("ann", "bob"))
    ann.save(kept, f" {current(world, kept)} ".replace(" ", "\r\n"), current(world, kept))
    assert (len(world.rows()), ann.index.of(kept).source) == (rows, "model")
    model = current(world, edited)
    bob.save(edited, f"{model} by hand", model)
    ann.save(edited, f"{model} by hand", f"{model} by hand")  # a person's words are no model's
    said = {each.image: each for each in reviews.read()}
    assert {image: (each.decision, each.distance, each.who) for image, each in said.items()} == {
        kept: ("accepted", None, "ann"),
        edited: ("edited", 2, "bob"),
    }
    assert {(each.model_name, each.model_version, each.night) for each in said.values()} == {("captioner", "3", "n1")}
    bob.undo(edited)
    ann.undo(kept)
    assert reviews.read() == []


def test_a_caption_that_is_refused_leaves_no_review(world):
    image = world.fill(1)[0]
    world.night()
    review = Review(world.home, "ann")
    with pytest.raises(SettingsError, match="0 characters"):
        review.save(image, " ", current(world, image))
    assert review.reviews.read() == []


def test_only_the_persons_review_of_the_caption_is_taken_back(world):
    image = world.fill(1)[0]
    world.night()
    review = Review(world.home, "ann")
    model = current(world, image)
    review.save(image, model, model)
    shown = review.index.of(image)
    assert review.has_said(shown)
    assert not review.has_said(replace(shown, night="n2"))
    other = replace(review.reviews.read()[0], who="bob", decision="rejected", reviewed_at=datetime.now(UTC))
    review.reviews.append([other])
    with pytest.raises(SettingsError, match="ann wrote no caption"):
        review.undo(image)
    assert [each.who for each in review.reviews.read()] == ["bob"]


def test_own_words_need_no_new_index_and_those_of_others_do(world):
    image = world.fill(1)[0]
    world.night()
    review = Review(world.home, "ann")
    built = review.index._database
    review.save(image, "by hand", current(world, image))
    review.index.refresh()
    assert review.index._database is built
    Review(world.home, "bob").save(image, "bob's words", "by hand")
    review.index.refresh()
    assert (review.index._database is built, review.index.of(image).caption) == (False, "bob's words")


def test_a_forgotten_image_gets_no_words(world):
    image = world.fill(1)[0]
    world.night()
    review = Review(world.home, "ann")
    remember_to_forget(world.home.store, [image])
    with pytest.raises(Conflict):
        review.save(image, "by hand", current(world, image))
    assert CorrectionTable(world.home.store / "corrections").read() == []


def test_held_nights_come_first(world):
    world.fill(1)
    world.night("n1")
    world.fill(1, start=50)
    world.night("n2")
    world.night("n3")
    world.folder("n1").joinpath("published.json").unlink()
    (world.folder("n1") / "held.json").write_text('{"message": "too many alike"}')
    lines = Review(world.home, "ann").nights()
    assert [(line.night, line.state, line.captioned) for line in lines] == [
        ("n1", "held", 0),
        ("n3", "nothing new", 0),
        ("n2", "published", 1),
    ]
    assert (lines[0].message, lines[2].model) == ("too many alike", "captioner 3")
