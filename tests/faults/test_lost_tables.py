"""Tables that are not there: nothing takes them for empty, until a person says that they are gone for good."""

import re
import shlex
import shutil
from dataclasses import replace

import pytest

from nightcap.forgetting import forget_images
from pipeline.core.errors import NightcapError, ObjectUnavailable
from pipeline.storage.tables import CaptionTable
from pipeline.storage.tables.corrections import CorrectionTable
from serving.planning.replay import attempt_of, with_known_names
from serving.publish import publish_and_push
from serving.reporting.report import report
from serving.runs.settings import NightSettings
from serving.upkeep.correct import publish_corrections, withdraw_corrections
from serving.upkeep.tables import Tending, TendingSettings
from tests.faults.lost import stops
from tests.serving.night_world import unexpected


@pytest.mark.parametrize("is_mount_point", [True, False])
def test_a_table_that_is_not_there_stops_all_that_would_take_it_for_empty(world, is_mount_point, monkeypatch):
    """Else a whole library is captioned again, and the outputs of nights are written anew without a line."""
    world.home = replace(world.home, table=str(world.home.root / "disk" / "captions"))
    images = world.fill(3)
    output = world.home.root / "texts"
    world.night(output=str(output))
    held = world.captioned("n2", policy="everything", model="models:/captioner/3") if not is_mount_point else None
    before = (output / "captions-n1.jsonl").read_bytes()
    shutil.move(world.home.captions.parent, world.home.root / "away")
    if is_mount_point:
        world.home.captions.mkdir(parents=True)

    tending = Tending(TendingSettings(), world.home)
    corrections = CorrectionTable(world.home.store / "corrections")
    replay = NightSettings(replay_night="n1")
    one = NightSettings(replay_images=(images[0],))
    calls = {
        "night": lambda: world.night("n3", load=unexpected),
        "night by another policy": lambda: world.night("n4", load=unexpected, policy="everything"),
        "report": lambda: report(world.folder() / "plan/plan.json"),
        "forget": lambda: forget_images(world.home, frozenset(images[:1]), world.home.captions, lambda _: None),
        "replay": lambda: attempt_of(replay, world.home, world.now),
        "replay of an image": lambda: with_known_names(one, world.home),
        "correction": lambda: publish_corrections(world.home, corrections, corrections.read()),
        "correction taken back": lambda: withdraw_corrections(world.home, corrections, lambda _: True),
        "compact": tending.compact,
        "vacuum": tending.vacuum,
        "upgrade": tending.upgrade,
    }
    if held:
        calls["publish"] = lambda: publish_and_push(held, world.home)
    for what, call in calls.items():
        assert stops(call, f"table {world.home.captions} is not there", "3 rows"), what
    assert not (world.home.captions / "_delta_log").exists()
    assert (output / "captions-n1.jsonl").read_bytes() == before
    assert not (world.home.store / "forgotten").exists()

    shutil.rmtree(world.home.captions.parent, ignore_errors=True)
    shutil.move(world.home.root / "away", world.home.captions.parent)
    assert world.night("n5", load=unexpected).counts.unchanged == 3
    assert report(world.folder() / "plan/plan.json").captioned == 3


def test_a_table_without_its_log(world):
    world.fill(2)
    world.night()
    shutil.rmtree(world.home.captions / "_delta_log")
    with pytest.raises(NightcapError, match="1 files with rows are there"):
        world.night("n2", load=unexpected)
    for part in world.home.captions.glob("*.parquet"):
        part.unlink()
    assert stops(lambda: world.night("n2", load=unexpected), "2 rows")


def test_the_current_captions_alone_are_made_again(world):
    world.fill(2)
    world.night()
    shutil.rmtree(CaptionTable(world.home.captions).current_uri)
    world.fill(1, start=2)
    assert world.night("n2").captioned == 1
    assert len(world.rows(current=True)) == 3


def test_a_person_says_that_a_table_is_gone_for_good(world):
    world.fill(2)
    world.night()
    shutil.rmtree(world.home.captions)
    assert world.night("n2", accept_empty=True).captioned == 2
    assert world.night("n3", load=unexpected).counts.unchanged == 2


def test_images_are_forgotten_though_a_table_is_gone_for_good(world):
    images = world.fill(2)
    world.night("n1", table=str(world.home.root / "tried"))
    world.night("n2")
    for name in ("tried", "tried_current"):
        shutil.rmtree(world.home.root / name)

    def forget(**accepted):
        return forget_images(world.home, frozenset(images[:1]), world.home.captions, lambda _: None, **accepted)

    assert stops(forget, f"table {world.home.root / 'tried'} is not there")
    assert world.images() == images
    assert forget(accept_empty=True).rows == 1
    assert world.images() == images[1:]
    assert forget().rows == 0  # it is known to be gone now


@pytest.mark.parametrize("name", ["the table", "captions"])
def test_each_remedy_of_a_message_is_one(world, name):
    images = world.fill(2)
    table = world.home.root / name
    world.night(table=str(table))
    shutil.rmtree(table)
    with pytest.raises(ObjectUnavailable) as stopped:
        forget_images(world.home, frozenset(images[:1]), table, lambda _: None)
    night, forget = (shlex.split(command) for command in re.findall(r"`(.+?)`", str(stopped.value)))
    assert night == ["nightcap", "night", "--table", str(table), "--accept-empty"]
    assert forget == ["nightcap", "forget", "--accept-empty"]
    assert world.night("n2", table=str(table), accept_empty=True).captioned == 2
    assert forget_images(world.home, frozenset(images[:1]), table, lambda _: None).rows == 1


def test_a_table_all_of_whose_rows_were_forgotten_is_there(world):
    images = world.fill(1)
    world.night()
    forget_images(world.home, frozenset(images), world.home.captions, lambda _: None)
    assert world.night("n2", load=unexpected).captioned == 0
