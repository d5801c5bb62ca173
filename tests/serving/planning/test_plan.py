"""Planning: once, under names that are safe, with settings that are checked."""

import os
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.core.errors import SettingsError
from pipeline.storage.objects import ObjectInfo
from serving.planning.plan import plan
from serving.runs.plan_file import Attempt, Plan, shard_line, shard_path
from serving.runs.settings import NightSettings, night_settings
from tests.serving.night_world import PINNED, image

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_a_run_is_planned_once(world):
    world.fill(3)
    first = plan(NightSettings(), world.home, PINNED, world.attempt())
    world.put("late.jpg", image("red"))
    assert plan(NightSettings(max_images=1), world.home, PINNED, world.attempt()) == first
    assert first["counts"]["planned"] == 3
    assert (first["night"], first["run"], first["shards"]) == ("n1", "r1", 1)


@pytest.mark.parametrize("name", ["input", "table"])
def test_a_resumed_run_keeps_its_folder_and_table(world, name):
    other = world.home.root / "other"
    other.mkdir()
    plan(NightSettings(), world.home, PINNED, world.attempt())
    with pytest.raises(SettingsError, match=f"planned for {name}"):
        plan(NightSettings(**{name: str(other)}), world.home, PINNED, world.attempt())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("manifest", "/in/m.csv"),
        ("policy", "everything"),
        ("model", "models:/captioner/2"),
        ("replay_reasons", ("empty",)),
        ("replay_night", "n0"),
        ("replay_images", ("/in/a.jpg",)),
    ],
)
def test_a_resumed_run_takes_no_other_images_and_no_other_model(world, name, value):
    plan(NightSettings(), world.home, PINNED, world.attempt())
    with pytest.raises(SettingsError, match=f"'n1', run 'r1' was planned for {name} .*name another night"):
        plan(NightSettings(**{name: value}), world.home, PINNED, world.attempt())


def test_a_resumed_run_says_what_it_keeps(world, caplog):
    first = plan(NightSettings(replay_reasons=("a", "b"), max_images=1), world.home, PINNED, world.attempt())
    other = NightSettings(replay_reasons=("b", "a"), max_images=3, accept_drift=True)
    assert plan(other, world.home, PINNED, world.attempt()) == first
    assert [record.message for record in caplog.records if record.levelname == "WARNING"] == [
        "night n1 goes on as it was planned, with max_images=1"
    ]


def test_a_published_night_is_not_planned_again_under_another_run(world):
    world.fill(1)
    world.night()
    with pytest.raises(SettingsError, match="name another night"):
        plan(NightSettings(), world.home, PINNED, world.attempt(run="r2"))


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


@pytest.mark.parametrize("uri", ["s3://bucket/x", "/nonexistent"])
def test_a_wrong_input_leaves_nothing_behind(world, uri):
    with pytest.raises(SettingsError):
        plan(NightSettings(input=uri), world.home, PINNED, world.attempt())
    assert not world.folder().exists()


def test_a_missing_plan(tmp_path):
    with pytest.raises(SettingsError, match="plan the night first"):
        Plan.read(tmp_path / "plan.json")


@given(st.text(st.characters(), min_size=1), st.datetimes(timezones=st.just(UTC)))
def test_listed_images_survive_writing(tmp_path_factory, name, modified):
    info = ObjectInfo(name, f"/in/{name}", "1-2", 1, modified)
    folder = tmp_path_factory.mktemp("shard")
    shard_path(folder, 0).write_text(shard_line(info) * 2, encoding="utf-8")
    made = Plan.model_construct(folder=folder / "run")
    (folder / "run" / "plan").mkdir(parents=True)
    shard_path(folder, 0).rename(shard_path(made.path.parent, 0))
    assert made.images(0) == [info, info]


def test_every_setting_is_described_and_limited():
    schema = NightSettings.model_json_schema()["properties"]
    assert all(field.get("description") for field in schema.values())
    for values in ({"max_images": 0}, {"stop_at": "25:00"}, {"time_zone": "Mars/Base"}, {"colour": "red"}):
        (name,) = values
        with pytest.raises(SettingsError, match=name):
            night_settings(values)


@pytest.mark.parametrize(
    ("stop_at", "zone", "end"),
    [
        ("13:00", "UTC", "2026-03-01T13:00:00+00:00"),
        ("12:00", "UTC", "2026-03-02T12:00:00+00:00"),
        ("06:30", "Europe/Paris", "2026-03-02T05:30:00+00:00"),
    ],
)
def test_the_deadline_is_the_next_such_time(stop_at, zone, end):
    deadline = NightSettings(stop_at=stop_at, time_zone=zone).deadline(NOON)
    assert deadline == datetime.fromisoformat(end)
    assert NightSettings().deadline(NOON) is None


def test_limits_are_those_set():
    limits = NightSettings(max_image_bytes=5, max_megapixels=2, min_side=3).limits()
    assert (limits.max_bytes, limits.max_megapixels, limits.min_side) == (5, 2, 3)


def test_the_inbox_is_made(world):
    assert plan(NightSettings(), world.home, PINNED, world.attempt())["shards"] == 0
    assert Path(world.home.inbox).is_dir()


NEWER = replace(PINNED, version="4", uri="models:/captioner/4")


def planned(world, model, number, **settings):
    return plan(NightSettings(**settings), world.home, model, world.attempt(f"p{number}"))["counts"]["planned"]


def test_policies(world):
    world.fill(3)
    world.put("broken.jpg", b"<html>")
    world.night()
    world.put("fresh.jpg", image("blue"))
    wanted = {"new": (1, 1), "older_version": (1, 4), "everything": (1, 5)}
    for number, (policy, counts) in enumerate(wanted.items()):
        found = tuple(planned(world, model, f"{number}{model.version}", policy=policy) for model in (PINNED, NEWER))
        assert found == counts, policy


@pytest.mark.parametrize(("images", "shards"), [(1000, [1] * 1000), (2001, [3] * 667)])
def test_a_night_has_no_more_shards_than_airflow_maps(world, images, shards):
    world.home.inbox.mkdir()
    manifest = world.home.root / "many.csv"
    manifest.write_text("key,etag,size\n" + "".join(f"{n}.jpg,e,1\n" for n in range(images)))
    settings = NightSettings(manifest=str(manifest), shard_size=1, max_images=None)
    made = Plan.read(plan(settings, world.home, PINNED, world.attempt())["plan"])
    assert list(made.shards) == shards
    assert {info.name for shard in range(len(shards)) for info in made.images(shard)} == {
        f"{n}.jpg" for n in range(images)
    }


def test_a_plan_without_a_budget_is_newest_first(world):
    for age, path in enumerate(world.fill(5)):
        os.utime(path, (1_700_000_000 - age, 1_700_000_000 - age))
    made = Plan.read(plan(NightSettings(max_images=None, shard_size=2), world.home, PINNED, world.attempt())["plan"])
    assert made.shards == (2, 2, 1)
    assert [info.name for shard in range(3) for info in made.images(shard)] == [f"{n:03d}.jpg" for n in range(5)]
