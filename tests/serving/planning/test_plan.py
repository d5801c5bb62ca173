"""Planning: once, under names that are safe, with settings that are checked."""

import os
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipeline.core.errors import FileDamaged, SettingsError
from pipeline.storage.objects import LocalFolder
from pipeline.storage.tables import CaptionTable
from serving.caption_shard import caption_shard
from serving.planning.plan import plan
from serving.runs.plan_file import Plan
from serving.runs.settings import NightSettings
from serving.upkeep.forget import listed_images
from tests.pipeline.storage.tables.table_rows import quarantined, rows
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


def test_an_image_with_a_trouble_of_the_moment_comes_again_by_itself(world):
    world.fill(3)
    first = plan(NightSettings(), world.home, PINNED, world.attempt())
    forbidden, corrupt, _ = Plan.read(Path(first["plan"])).images(0)
    rows_of_first = [
        quarantined(info.uri, reason, etag=info.etag, night="n1", run="r1")
        for info, reason in ((forbidden, "forbidden"), (corrupt, "corrupt"))
    ]
    CaptionTable(world.home.captions).append(rows(*rows_of_first), 0)
    second = plan(NightSettings(), world.home, PINNED, world.attempt("n2"))
    assert (second["counts"]["again"], second["counts"]["planned"], second["counts"]["unchanged"]) == (1, 2, 1)
    assert forbidden.uri in {info.uri for info in Plan.read(Path(second["plan"])).images(0)}
    everything = plan(NightSettings(policy="everything"), world.home, PINNED, world.attempt("n3"))
    assert everything["counts"]["again"] == 0


def test_21_3_a_file_of_a_wrong_clock_is_quarantined_and_comes_again_by_a_replay(world):
    world.fill(2)
    os.utime(world.home.inbox / "000.jpg", (2_130_000_000, 2_130_000_000))  # in 2037
    tomorrow = world.now.timestamp() + 3600  # within a day
    os.utime(world.home.inbox / "001.jpg", (tomorrow, tomorrow))
    summary = world.night()
    assert (summary.captioned, summary.reasons, summary.counts.later) == (0, {"future_date": 1}, 1)
    assert world.night("n2").counts.unchanged == 1
    again = world.night("n3", replay_reasons=["future_date"])
    assert (again.captioned, again.quarantined) == (1, 0)


def test_21_6_what_is_excluded_or_a_system_s_is_told_and_not_captioned(world):
    world.fill(1)
    for name in ("a_small.jpg", "private/b.jpg", "@eaDir/c.jpg/SYNOPHOTO_THUMB_M.jpg", "notes.txt", "scan.1"):
        world.put(name, image("red") if name != "scan.1" else b"a text")
    world.put("photo.jpg_large", image("blue"))
    summary = world.night(exclude=["*_small.jpg", "/private"])
    assert (summary.captioned, summary.quarantined) == (2, 0)
    reasons = {"excluded": 2, "system_folder": 1, "other_type": 1, "not_an_image": 1}
    assert summary.counts.ignored_reasons == reasons
    assert summary.counts.ignored == 5
    assert summary.ignored["not_an_image"] == [str(world.home.inbox / "scan.1")]
    page = (world.folder() / "gallery" / "index.html").read_text()
    assert all(reason in page for reason in reasons)
    with pytest.raises(ValueError, match="names nothing"):
        NightSettings(exclude=[""])


def test_21_7_a_name_that_says_nothing_is_read_by_one_night(world, monkeypatch):
    read, head = [], LocalFolder.head
    monkeypatch.setattr(LocalFolder, "head", lambda self, info: read.append(info.name) or head(self, info))
    world.put("README", b"text")
    world.put("photo", image("red"))
    for number, names in enumerate((["README", "photo"], ["photo"])):
        counts = plan(NightSettings(), world.home, PINNED, world.attempt(f"n{number}"))["counts"]
        assert (counts["planned"], counts["ignored_reasons"]) == (1, {"not_an_image": 1})
        assert sorted(read) == names
        read.clear()


def halved(path):
    os.truncate(path, path.stat().st_size // 2)


def emptied(path):
    os.truncate(path, 0)


@pytest.mark.parametrize("cut", [emptied, halved])
@pytest.mark.parametrize("name", ["plan.json", "00000.jsonl"])
def test_22_13_a_run_whose_plan_or_list_was_cut_is_planned_anew_with_nothing_of_the_old(world, cut, name):
    paths = world.fill(3)
    made = Plan.read(world.captioned())
    cut(made.path.parent / name)
    world.fill(1, start=3)
    world.night()
    assert world.images() == [*paths, str(world.home.inbox / "003.jpg")]


@pytest.mark.parametrize("cut", [emptied, halved])
def test_22_13_a_list_that_was_cut_is_named_and_stops_no_other_night(world, cut):
    paths = world.fill(2)
    dead = Plan.read(world.captioned("n0"))
    cut(dead.path.parent / "00000.jsonl")
    for path in dead.parts.iterdir():
        path.unlink()
    with pytest.raises(FileDamaged, match=r"00000.jsonl names [01] of 2 images"):
        caption_shard(dead.path, 0, world.load)
    world.night("n1")
    assert world.images() == paths
    assert set(listed_images(world.home.store)) == set(paths)
