"""Attempts, and plans as they are written."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.core.errors import ObjectUnavailable, SettingsError
from pipeline.storage.objects import ObjectInfo
from serving.planning.plan import plan
from serving.runs.lifecycle import shard_path
from serving.runs.plan_file import Attempt, Plan, night_of, shard_line
from serving.runs.settings import NightSettings
from tests.serving.night_world import PINNED

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_nights_of_one_day_differ():
    attempt = Attempt.at(NOON)
    assert (attempt.night, attempt.run) == ("2026-03-01T120000Z", "manual__2026-03-01T120000Z")
    assert Attempt.at(NOON.replace(second=1)).night != attempt.night
    assert Attempt.at(NOON, "2026-03-01", "scheduled__2026-03-01T12:00:00+00:00").night == "2026-03-01"


@pytest.mark.parametrize("name", ["", "..", ".hidden", "a/b", "../../etc", "a\0b", "a\nb", "x" * 201, "latest"])
def test_unsafe_names(name):
    with pytest.raises(SettingsError, match="cannot name a folder"):
        Attempt(name, "r", NOON)
    with pytest.raises(SettingsError, match="cannot name a folder"):
        Attempt("n", name, NOON)


def test_an_end_without_a_time_zone():
    with pytest.raises(SettingsError, match="no time zone"):
        Attempt("n", "r", NOON.replace(tzinfo=None))


def test_a_missing_plan(tmp_path):
    with pytest.raises(SettingsError, match="plan the night first"):
        Plan.read(tmp_path / "plan.json")


@given(st.text(st.characters(), min_size=1), st.datetimes(timezones=st.just(UTC)))
def test_listed_images_survive_writing(tmp_path_factory, name, modified):
    info = ObjectInfo(name, f"/in/{name}", "1-2", 1, modified)
    folder = tmp_path_factory.mktemp("shard")
    shard_path(folder, 0).write_text(shard_line(info) * 2, encoding="utf-8")
    made = Plan.model_construct(folder=folder / "run", shards=(2,))
    (folder / "run" / "plan").mkdir(parents=True)
    shard_path(folder, 0).rename(shard_path(made.path.parent, 0))
    assert made.images(0) == list(made.listed()) == [info, info]


def test_a_plan_survives_writing(world):
    world.fill(3)
    made = Plan.read(plan(NightSettings(shard_size=2), world.home, PINNED, world.attempt())["plan"])
    assert (made.folder, made.night, made.run) == (world.folder(), "n1", "r1")
    assert night_of(made.path) == "n1"
    assert made.asked()["input"] == str(world.home.inbox)
    assert [made.name_of(info.uri) for shard in (0, 1) for info in made.images(shard)] == [
        info.name for shard in (0, 1) for info in made.images(shard)
    ]
    assert [len(made.part_files(shard)) for shard in (0, 1)] == [1, 1]


def test_an_input_that_is_gone_is_unavailable(world):
    world.fill(1)
    made = Plan.read(plan(NightSettings(), world.home, PINNED, world.attempt())["plan"])
    world.home.inbox.rename(world.home.root / "unmounted")
    with pytest.raises(ObjectUnavailable, match="it was there when the night was planned"):
        made.open_input()


@pytest.mark.parametrize("above", [False, True])
def test_20_6_a_planned_night_does_not_follow_its_input_elsewhere(world, above):
    """Whoever swaps the input, or a folder above, for a link leads no process of the night there."""
    world.fill(1)
    inbox = world.home.inbox
    made = Plan.read(plan(NightSettings(), world.home, PINNED, world.attempt())["plan"])
    swapped = inbox.parent if above else inbox
    aside = swapped.rename(swapped.with_name(f"{swapped.name}-aside"))
    swapped.symlink_to(aside)
    with pytest.raises(
        ObjectUnavailable, match="by a link that was not there when the night was planned, or on the machine"
    ):
        made.open_input()
    swapped.unlink()
    aside.rename(swapped)
    assert made.open_input().uri == made.input


def test_an_input_that_was_a_link_when_it_was_planned_is_followed(world):
    world.fill(1)
    link = world.home.root / "link"
    link.symlink_to(world.home.inbox)
    made = Plan.read(plan(NightSettings(input=str(link)), world.home, PINNED, world.attempt())["plan"])
    assert made.open_input().uri == str(world.home.inbox)
