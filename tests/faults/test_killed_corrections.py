"""Corrections that are killed at any write, beside nights and `forget`: told everywhere once anybody corrects again."""

import json
import os
import shutil

import pytest

from nightcap.forgetting import forget_images
from pipeline.storage.tables import CaptionTable
from pipeline.storage.tables.corrections import CorrectionTable
from pipeline.storage.tables.reviews import ReviewTable
from pipeline.storage.tables.schema import HUMAN
from serving.app.review import Review
from serving.upkeep.correct import publish_corrections, withdraw_corrections
from tests.faults.killing import is_killed
from tests.nightcap.forgetting.forgetting import DATA, NAME, SAID, WRITTEN, Knowing, traces
from tests.pipeline.storage.tables.correction_rows import correction
from tests.serving.night_world import World

SOAK = bool(os.environ.get("NIGHTCAP_SOAK"))
KILLS = 6  # spread over all writes; a soak has them all
pytestmark = pytest.mark.timeout(3600 if SOAK else 600)


def table_of(world):
    return CorrectionTable(world.home.store / "corrections")


def correct(world, secret):
    return publish_corrections(world.home, table_of(world), [correction(secret, WRITTEN)])


def undo(world, secret):
    return withdraw_corrections(world.home, table_of(world), lambda each: each.image == secret)


def anybody(world, _):
    """Somebody else's correction, which changes nothing by itself."""
    return publish_corrections(world.home, table_of(world), [])


@pytest.fixture(scope="module")
def homes(tmp_path_factory):
    """A world with a night's outputs; a copy of it as it is, and one that is corrected."""
    folder = tmp_path_factory.mktemp("corrected")
    world = World.within(folder / "home")
    world.captioner = Knowing()
    secret = world.put(NAME, DATA)
    world.fill(1)
    world.night("n1", output=str(world.home.root / "out"), write_csv=True, write_sidecars=True, decoders=1)
    shutil.copytree(world.home.root, folder / "plain", symlinks=True)
    correct(world, secret)
    shutil.copytree(world.home.root, folder / "corrected", symlinks=True)
    return world, secret


def restore(world, name):
    shutil.rmtree(world.home.root)
    shutil.copytree(world.home.root.with_name(name), world.home.root, symlinks=True)


def told(world, secret):
    """What tables and outputs say of the image."""
    out = world.home.root / "out"
    lines = map(json.loads, (out / "captions-n1.jsonl").read_text().splitlines())
    assert WRITTEN in (csv := (out / "captions-n1.csv").read_text()) or SAID in csv
    return {
        CaptionTable(world.home.captions).current([secret])[secret],
        next(row["caption"] for row in world.rows(current=True) if row["image"] == secret),
        next(each["caption"] for each in lines if each["image"] == secret),
        (out / f"{NAME}.txt").read_text().strip(),
    }


@pytest.mark.parametrize(
    ("action", "start", "again", "says"),
    [(correct, "plain", correct, WRITTEN), (correct, "plain", anybody, None), (undo, "corrected", undo, SAID)],
)
def test_killed_at_every_write(homes, action, start, again, says):
    """A second call says the same everywhere; so does anybody's, whichever of both it is."""
    world, secret = homes
    restore(world, start)
    assert not is_killed(action, world.home.root, 10**6, world, secret)
    writes = int((world.home.root.parent / "writes").read_text())
    for write in range(1, writes + 1) if SOAK else range(2, writes + 1, max(1, writes // KILLS)):
        restore(world, start)
        assert is_killed(action, world.home.root, write, world, secret), f"write {write} of {writes}"
        try:
            again(world, secret)
            assert len(said := told(world, secret)) == 1
            assert said == {says or (WRITTEN if table_of(world).read() else SAID)}
            human = [row for row in world.rows() if row["source"] == HUMAN and not row["withdrawn"]]
            assert len(human) == len(table_of(world).read()) == (said == {WRITTEN})
            assert not (world.home.store / "corrections.unwritten").exists()
        except Exception as error:
            raise AssertionError(f"killed before write {write} of {writes}") from error
    assert writes > 15


def test_an_image_whose_correction_was_killed_is_forgotten(homes):
    """Rows in files that no commit names go, too."""
    world, secret = homes
    for start, action in (("plain", correct), ("corrected", undo)):
        restore(world, start)
        assert not is_killed(action, world.home.root, 10**6, world, secret)
        writes = int((world.home.root.parent / "writes").read_text())
        for write in range(1, writes + 1) if SOAK else range(3, writes + 1, max(1, writes // 3)):
            restore(world, start)
            assert is_killed(action, world.home.root, write, world, secret)
            forget_images(world.home, frozenset([secret]), world.home.captions, lambda _: None)
            assert list(traces(world.home.root)) == [], f"killed before write {write} of {writes}"


def review(world, secret, words):
    Review(world.home, "ann").save(secret, words, SAID)


@pytest.mark.parametrize(("words", "decision"), [(SAID, "accepted"), (WRITTEN, "edited")])
def test_a_review_that_was_killed_at_any_write_is_given_again(homes, words, decision):
    world, secret = homes
    restore(world, "plain")
    assert not is_killed(review, world.home.root, 10**6, world, secret, words)
    writes = int((world.home.root.parent / "writes").read_text())
    for write in range(1, writes + 1) if SOAK else range(2, writes + 1, max(1, writes // 3)):
        restore(world, "plain")
        assert is_killed(review, world.home.root, write, world, secret, words)
        review(world, secret, words)
        said = ReviewTable.of(world.home.store).read()
        assert [(each.image, each.decision, each.model_version) for each in said] == [(secret, decision, "3")]
        assert CaptionTable(world.home.captions).current([secret])[secret] == words
        forget_images(world.home, frozenset([secret]), world.home.captions, lambda _: None)
        assert list(traces(world.home.root)) == [], f"killed before write {write} of {writes}"
    assert writes > 4


def test_two_corrections_in_one_second_by_two_people_and_by_one(homes):
    world, secret = homes
    restore(world, "plain")
    both = [correction(secret, WRITTEN), correction(secret, f"{WRITTEN} again", who="bob")]
    publish_corrections(world.home, table_of(world), both)
    assert len(told(world, secret)) == 1
    for words in ("first", "second", "first"):
        publish_corrections(world.home, table_of(world), [correction(secret, f"{WRITTEN} {words}", days=1)])
        assert len(told(world, secret)) == 1
    assert undo(world, secret)[0]
    while undo(world, secret)[0]:
        assert len(told(world, secret)) == 1
    assert told(world, secret) == {SAID}
