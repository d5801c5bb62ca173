"""Images that were done go through once more."""

from dataclasses import replace
from datetime import timedelta
from itertools import count

import pytest

from pipeline.core.errors import SettingsError
from pipeline.storage.tables import CaptionTable
from serving.caption_shard import caption_shard
from serving.night import run_night
from serving.planning.plan import plan
from serving.planning.replay import attempt_of, in_its_input, input_of, places, quarantined, with_known_names
from serving.publish import publish
from tests.serving.night_world import PINNED, ColourCaptioner, image, settings_of, unexpected

MOMENTS = count()
NEWER = replace(PINNED, version="4", digest="e" * 64)


def replayed(world, model=PINNED, load=None, **settings):
    asked = settings_of(**settings)
    attempt = attempt_of(asked, world.home, world.now + timedelta(seconds=next(MOMENTS)), model=model)
    captioner = ColourCaptioner(version=model.version, digest=model.digest)
    return run_night(asked, world.home, model, load or (lambda pinned: captioner), attempt)


@pytest.fixture
def broken(world):
    """A night with two good images, a broken one, and one too small for its settings."""
    world.fill(2)
    world.put("broken.jpg", b"<html>")
    world.put("tiny.png", image("red", (4, 4), "PNG"))
    assert world.night().reasons == {"not_an_image": 1, "too_small": 1}
    return world


def test_quarantined_images_go_through_again_after_a_fix(broken):
    summary = replayed(broken, replay_reasons=["too_small"], min_side=2)
    assert (summary.captioned, summary.quarantined, summary.counts.unchanged) == (1, 0, 3)
    tiny = [row for row in broken.rows() if row["image"].endswith("tiny.png")]
    assert [(row["status"], row["night"] == "n1") for row in tiny] in (
        [("quarantined", True), ("captioned", False)],
        [("captioned", False), ("quarantined", True)],
    )
    assert len(broken.rows(current=True)) == 3
    again = replayed(broken, replay_reasons=["too_small"], min_side=2, load=unexpected)
    assert again.counts.planned == 0


def test_what_is_still_broken_is_quarantined_again_and_may_be_replayed_again(broken):
    for times in (2, 3):
        assert replayed(broken, replay_reasons=["not_an_image"]).reasons == {"not_an_image": 1}
        assert sum(row["image"].endswith("broken.jpg") for row in broken.rows()) == times
    assert quarantined(CaptionTable(broken.home.captions)) == {"not_an_image": 3, "too_small": 1}


def test_only_some_images(broken):
    image = str(broken.home.inbox / "broken.jpg")
    assert replayed(broken, replay_images=[image]).quarantined == 1
    assert replayed(broken, replay_images=[str(broken.home.inbox / "000.jpg")], load=unexpected).counts.planned == 0


def test_images_are_named_as_people_write_them_and_an_unknown_one_is_refused_with_a_likely_one(broken):
    written = ("broken.jpg", f"{broken.home.inbox}//tiny.png".replace("/tiny", "\\tiny"))
    known = with_known_names(settings_of(replay_images=written), broken.home).replay_images
    assert known == tuple(str(broken.home.inbox / name) for name in ("broken.jpg", "tiny.png"))
    assert with_known_names(settings_of(replay_images=known), broken.home).replay_images == known
    with pytest.raises(SettingsError, match=r"knows no image '/other/broken.png' \(perhaps '.*/broken.jpg'\)"):
        with_known_names(settings_of(replay_images=("/other/broken.png", "tiny.png")), broken.home)


def test_a_night_again_with_another_version(broken):
    broken.fill(1, start=50)
    broken.night("n2")
    summary = replayed(broken, NEWER, replay_night="n1")
    assert (summary.night, summary.captioned, summary.quarantined) == ("n1.r2", 2, 2)
    versions = {row["model_version"] for row in broken.rows(current=True)}
    assert versions == {"3", "4"}
    assert (
        replayed(broken, NEWER, replay_night="n1", replay_images=[str(broken.home.inbox / "000.jpg")]).night == "n1.r3"
    )
    assert len(broken.rows()) == 4 + 1 + 4


def test_a_replay_that_was_stopped_resumes_under_its_name(broken):
    def fails(pinned):
        raise RuntimeError

    with pytest.raises(RuntimeError):
        replayed(broken, NEWER, replay_night="n1", load=fails)
    assert replayed(broken, NEWER, replay_night="n1").night == "n1.r2"


def test_a_replay_that_asks_for_something_else_has_a_name_of_its_own(broken):
    def fails(pinned):
        raise RuntimeError

    for _ in range(2):
        with pytest.raises(RuntimeError):
            replayed(broken, replay_night="n1", replay_reasons=["too_small"], load=fails)
    other = replayed(broken, replay_night="n1", replay_reasons=["not_an_image"])
    assert (other.night, other.reasons) == ("n1.r3", {"not_an_image": 1})
    first = replayed(broken, replay_night="n1", replay_reasons=["too_small"])
    assert (first.night, first.reasons) == ("n1.r2", {"too_small": 1})


def test_a_replay_with_nothing_to_do_is_in_nobodys_way(broken):
    """As when the champion has captioned the whole night, and another is promoted later."""
    again = {"replay_night": "n1", "replay_images": [str(broken.home.inbox / "000.jpg")]}
    for _ in range(2):
        nothing = replayed(broken, load=unexpected, **again)
        assert (nothing.night, nothing.counts.planned) == ("n1.r2", 0)
    summary = replayed(broken, NEWER, **again)
    assert (summary.night, summary.model.version, summary.captioned) == ("n1.r2", "4", 1)


def test_a_replay_is_not_resumed_with_a_version_that_was_replaced(broken, monkeypatch):
    def fails(pinned):
        raise RuntimeError

    with pytest.raises(RuntimeError):
        replayed(broken, NEWER, replay_night="n1", load=fails)
    newest = replace(PINNED, version="5", digest="f" * 64)
    asked = settings_of(replay_night="n1")
    for promoted, night in ((NEWER, "n1.r2"), (newest, "n1.r3")):
        monkeypatch.setattr("serving.planning.replay.pin_for_night", lambda settings, home, pinned=promoted: pinned)
        assert attempt_of(asked, broken.home, broken.now).night == night
    summary = replayed(broken, newest, replay_night="n1")
    assert (summary.night, summary.model.version, summary.captioned) == ("n1.r3", "5", 2)
    assert {row["model_version"] for row in broken.rows()} == {"3", "5"}


def test_a_replay_that_came_too_late_altogether_has_ended(broken):
    """Whatever it captioned, the same version had published meanwhile: the table has no row of it."""
    planned = plan(settings_of(replay_night="n1"), broken.home, NEWER, broken.attempt("n1.r2", "mine"))["plan"]
    caption_shard(planned, 0, lambda pinned: ColourCaptioner(version="4", digest=NEWER.digest))
    assert broken_by_version_4(broken).captioned == 2
    outcome = publish(planned)
    assert (outcome["duplicates"], outcome["already_published"]) == (4, False)
    broken.fill(1, start=2)
    newest = replace(PINNED, version="5", digest="f" * 64)
    summary = replayed(broken, newest, replay_night="n1")
    assert (summary.night, summary.captioned, summary.already_published) == ("n1.r3", 2, False)
    nothing = replayed(broken, newest, replay_night="n1", replay_images=[str(broken.home.inbox / "000.jpg")])
    assert (nothing.night, nothing.already_published) == ("n1.r4", False)


def broken_by_version_4(broken):
    captioner = ColourCaptioner(version="4", digest=NEWER.digest)
    asked = settings_of(policy="everything", experiment=None)
    return run_night(asked, broken.home, NEWER, lambda pinned: captioner, broken.attempt("n2"))


def test_new_images_wait_for_an_ordinary_night(broken):
    broken.fill(1, start=50)
    assert replayed(broken, replay_reasons=["empty"], load=unexpected).counts.planned == 0
    assert broken.night("n2").captioned == 1


def test_the_folder_of_a_night(broken):
    assert input_of(broken.home, "n1") == str(broken.home.inbox)
    assert input_of(broken.home, "../n1") == str(broken.home.inbox)
    assert input_of(broken.home, "none") is None


def test_a_replay_of_a_night_looks_where_that_night_did(broken):
    inbox = str(broken.home.inbox)

    def looks(usual=None, **settings):
        return in_its_input(settings_of(**settings), broken.home, usual).input

    assert looks(replay_night="n1") == inbox
    assert looks(replay_night="n1", input="/usual", usual="/usual") == inbox
    assert looks(replay_night="n1", input="/named", usual="/usual") == "/named"
    assert looks(replay_night="none", input="/usual", usual="/usual") == "/usual"
    assert looks(replay_reasons=["too_small"], input="/usual", usual="/usual") == "/usual"


def test_where_the_images_of_a_replay_lie(broken, tmp_path):
    table = CaptionTable(broken.home.captions)

    def found(**settings):
        return places(table, settings_of(**settings).replay(("", "")), broken.home)

    inbox = str(broken.home.inbox)
    assert found(replay_reasons=["too_small", "not_an_image"]) == {inbox: 2}
    assert found(replay_night="n1") == {inbox: 4}
    assert found(replay_reasons=["truncated"]) == {}
    (broken.home.store / "nights" / "n1").rename(tmp_path / "gone")
    assert found(replay_reasons=["too_small"]) == {inbox: 1}


def test_jobs_that_begin_in_one_second_get_a_night_each(world, tmp_path):
    """The second would take the first one's plan for its own, and say that it was done."""
    world.fill(2)
    other = tmp_path / "other"
    other.mkdir()
    (other / "red.jpg").write_bytes(image("red"))
    world.home = world.home.reaching(str(other))
    jobs = [settings_of(), settings_of(input=str(other)), settings_of()]
    attempts = [attempt_of(asked, world.home, world.now) for asked in jobs]
    nights = [
        run_night(asked, world.home, PINNED, world.load, each) for asked, each in zip(jobs, attempts, strict=True)
    ]
    assert [(night.captioned, night.already_published) for night in nights] == [(2, False), (1, False), (0, False)]
    assert [each.night.partition("Z")[2] for each in attempts] == ["", ".2", ".3"]


def test_replays_of_a_night_that_begin_in_one_second_are_runs_of_their_own(broken):
    """Who publishes second hears that another run has published the night."""
    asked = [settings_of(replay_night="n1", replay_reasons=["too_small"], min_side=side) for side in (1, 2)]
    first, second = (attempt_of(each, broken.home, broken.now, model=PINNED) for each in asked)
    assert (first.night, first.run) != (second.night, second.run)
    assert run_night(asked[0], broken.home, PINNED, broken.load, first).captioned == 1
    with pytest.raises(SettingsError, match="already in table"):
        run_night(asked[1], broken.home, PINNED, broken.load, second)
