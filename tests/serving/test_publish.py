"""A run is published once, atomically."""

import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor

import pytest
from deltalake import DeltaTable

from pipeline.core.errors import NightHeld, NightRejected, Permanent
from pipeline.storage.files import read_json
from serving.caption_shard import caption_shard
from serving.planning.plan import plan
from serving.publish import publish
from serving.runs.lifecycle import RunFolder
from serving.runs.plan_file import Plan
from tests.serving.night_world import PINNED, settings_of, unexpected


def test_publishing_twice_commits_once(world):
    paths = world.fill(3)
    path = world.captioned()
    first, second = publish(path), publish(path)
    assert (first["captioned"], first["version"], first["already_published"]) == (3, 1, False)
    assert second == first | {"already_published": True}
    assert world.images() == paths


def test_a_crash_after_the_commit_is_recovered(world):
    paths = world.fill(3)
    path = world.captioned()
    first = publish(path)
    Plan.read(path).published_file.unlink()
    again = publish(path)
    assert again == first | {"already_published": True, "published_at": again["published_at"]}
    assert world.images() == paths
    assert caption_shard(path, 0, unexpected)["captioned"] == 3


def test_two_plans_at_one_version_do_not_double(world):
    paths = world.fill(4)
    first = world.captioned("n1", "r1", max_images=3)
    second = world.captioned("n2", "r2")
    assert publish(first)["duplicates"] == 0
    outcome = publish(second)
    assert (outcome["captioned"], outcome["duplicates"], outcome["version"]) == (4, 3, 2)
    assert world.images() == paths


def test_a_run_that_came_too_late_altogether(world):
    world.fill(2)
    first, second = world.captioned("n1", "r1"), world.captioned("n2", "r2")
    publish(first)
    for already in (False, True):
        outcome = publish(second)
        assert (outcome["duplicates"], outcome["version"], outcome["already_published"]) == (2, 1, already)


def test_two_runs_of_one_night(world):
    world.fill(2)
    first, second = world.captioned("n1", "r1"), world.captioned("n1", "r2")
    publish(first)
    with pytest.raises(Permanent, match="was published by run 'r1'"):
        publish(second)
    assert len(world.images()) == 2


def test_eight_processes_publish_one_run_once(world):
    paths = world.fill(5)
    path = world.captioned(shard_size=2)
    server = multiprocessing.get_context("forkserver")
    server.set_forkserver_preload(["serving.publish"])
    with ProcessPoolExecutor(8, server) as pool:
        outcomes = list(pool.map(publish, [path] * 8))
    assert world.images() == paths
    assert sum(not outcome["already_published"] for outcome in outcomes) == 1
    assert {outcome["version"] for outcome in outcomes} == {1}
    operations = [commit["operation"] for commit in DeltaTable(str(world.home.captions)).history()]
    assert operations.count("WRITE") == 1  # several may create the table, which changes nothing
    assert len(world.rows(current=True)) == 5


def test_too_much_quarantine_stops_until_accepted(world):
    world.fill(18)
    for n in range(2):
        world.put(f"bad{n}.jpg", b"<html>")
    path = world.captioned(quarantine_floor=2)
    with pytest.raises(NightHeld, match=r"2 of 20 .*not_an_image 2.*accept_quarantine=true"):
        publish(path)
    assert not world.home.captions.exists()
    assert publish(path, accept_quarantine=True)["quarantined"] == 2


def test_a_small_or_bearable_quarantine_is_published(world):
    world.fill(1)
    world.put("bad.jpg", b"")
    assert publish(world.captioned())["quarantined"] == 1
    world.fill(19, start=100)
    world.put("worse.jpg", b"")
    assert publish(world.captioned("n2", "r2"))["quarantined"] == 1


def test_nothing_is_published_before_every_shard_has_finished(world):
    world.fill(3)
    path = plan(settings_of(shard_size=2), world.home, PINNED, world.attempt())["plan"]
    caption_shard(path, 0, world.load)
    with pytest.raises(NightRejected, match=r"shards \[1\] of 2"):
        publish(path)
    assert not world.home.captions.exists()


def test_lost_parts_are_noticed(world):
    world.fill(3)
    path = world.captioned(part_size=2)
    Plan.read(path).part_files(0)[1].unlink()
    with pytest.raises(NightRejected, match="hold 2 rows"):
        publish(path)
    assert not world.home.captions.exists()


@pytest.mark.parametrize("kept", [0, 40])
def test_22_13_the_table_says_what_was_published_where_published_json_was_cut(world, kept):
    paths = world.fill(2)
    world.night()
    note = world.folder() / "published.json"
    os.truncate(note, kept)
    assert not RunFolder.holding(world.folder() / "plan" / "plan.json").is_published
    world.night("n2")
    assert read_json(note)["already_published"], "the next night has written it anew"
    assert world.images() == paths


@pytest.mark.parametrize("kept", [0, 400])
def test_22_13_a_part_and_counts_that_were_cut_are_not_published_but_made_anew(world, kept):
    paths = world.fill(2)
    path = world.captioned(part_size=1)
    made = Plan.read(path)
    os.truncate(made.part_files(0)[1], kept)
    with pytest.raises(NightRejected, match="run the shards again"):
        publish(path)
    os.truncate(made.shard_file(0), kept // 10)
    with pytest.raises(NightRejected, match=r"shards \[0\] of 1 have not finished"):
        publish(path)
    assert caption_shard(path, 0, world.load)["captioned"] == 2
    publish(path)
    assert world.images() == paths
