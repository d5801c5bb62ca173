"""Nights of the past, made up for."""

import os
import sys
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest

from pipeline.core.environment import Home
from pipeline.storage.tables import CaptionTable
from serving.caption_shard import caption_shard
from serving.night import run_night
from serving.planning.plan import plan
from serving.publish import publish
from serving.runs.plan_file import Attempt
from tests.serving.night_world import PINNED, World, image, settings_of, unexpected

FIRST = datetime(2026, 3, 1, 2, tzinfo=UTC)
NIGHTS = [Attempt.at(FIRST + timedelta(days=day), run=f"backfill__{day}") for day in range(7)]
PER_DAY = 3


@pytest.fixture
def world(tmp_path):
    """Images of the day before each of seven nights, and of a day that is yet to come."""
    world = World(Home(tmp_path, tmp_path / "store", ""))
    for day in range(8):
        for n in range(PER_DAY):
            moment = (FIRST + timedelta(days=day, hours=-1 - n)).timestamp()
            os.utime(world.put(f"{day}-{n}.jpg", image((9 * day, 9 * n, 99))), (moment, moment))
    return world


def night(world, attempt, load=None):
    return run_night(settings_of(), world.home, PINNED, load or world.load, attempt)


def require_whole(world):
    names = [os.path.basename(row["image"]) for row in world.rows()]  # noqa: PTH119
    assert names == [f"{day}-{n}.jpg" for day in range(7) for n in range(PER_DAY)]
    assert sum(world.captioner.calls) >= len(names)


def test_9_seven_nights_take_each_what_is_theirs(world):
    for attempt in NIGHTS:
        assert night(world, attempt).captioned == PER_DAY
    require_whole(world)
    assert {(row["night"], os.path.basename(row["image"])[0]) for row in world.rows()} == {  # noqa: PTH119
        (attempt.night, str(day)) for day, attempt in enumerate(NIGHTS)
    }


def test_9_backwards_the_newest_night_takes_all(world):
    assert [night(world, attempt).captioned for attempt in reversed(NIGHTS)] == [7 * PER_DAY] + [0] * 6
    require_whole(world)


def test_9_all_at_once_nothing_is_published_twice(world):
    """Every night is planned and captioned before the first is published."""
    plans = [plan(settings_of(), world.home, PINNED, attempt)["plan"] for attempt in NIGHTS]
    for path in plans:
        caption_shard(path, 0, world.load)
    duplicates = [publish(path)["duplicates"] for path in plans]
    assert duplicates == [PER_DAY * day for day in range(7)]
    require_whole(world)


def test_9_nights_that_are_done_load_nothing_open_nothing_and_are_quick(world):
    for attempt in NIGHTS:
        night(world, attempt)
    rows, version = world.rows(), CaptionTable(world.home.captions).version()
    with opened(world.home.inbox) as images:
        for attempt in NIGHTS:
            for again in (attempt, Attempt(f"{attempt.night}-more", attempt.run, attempt.before)):
                started = time.monotonic()
                summary = night(world, again, unexpected)
                assert time.monotonic() - started < 10
                assert summary.counts.later == 8 * PER_DAY - summary.counts.listed
    assert images == []
    assert world.rows() == rows
    assert CaptionTable(world.home.captions).version() == version


@contextmanager
def opened(folder):
    """Which files under a folder are opened meanwhile."""
    found, listening = [], True

    def hook(event, arguments):
        if listening and event == "open" and str(arguments[0]).startswith(f"{folder}{os.sep}"):
            found.append(arguments[0])

    sys.addaudithook(hook)
    try:
        yield found
    finally:
        listening = False
