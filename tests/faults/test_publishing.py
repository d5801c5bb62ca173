"""Publishing while others do, and while they die."""

import contextlib
import ctypes
import gc
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace

import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable

from pipeline.core.environment import Home
from pipeline.core.errors import NightcapError
from pipeline.storage.objects import LocalFolder
from pipeline.storage.tables import CaptionTable
from pipeline.storage.tables.maintenance import vacuum_table
from serving.caption_shard import caption_shard
from serving.planning.plan import plan
from serving.publish import publish
from serving.runs.plan_file import Plan
from tests.pipeline.storage.tables.table_rows import row, rows
from tests.serving.night_world import PINNED, ColourCaptioner, World, image, settings_of

PAGE = 4096


@pytest.fixture(scope="module")
def pool():
    """Eight processes that have imported what publishing needs."""
    server = multiprocessing.get_context("forkserver")
    server.set_forkserver_preload(["serving.publish", "tests.faults.test_publishing"])
    with ProcessPoolExecutor(8, server) as pool:
        yield pool


def whole_night(root, run):
    """Plan, caption and publish a night in one process; what it ended with."""
    world = World(Home(root, root / "store", ""))
    try:
        path = world.captioned("n1", run, shard_size=2)
        return publish(path)["already_published"]
    except NightcapError as error:
        return str(error)


def commits(uri, operation):
    return [each for each in DeltaTable(str(uri)).history() if each["operation"] == operation]


def test_6_eight_processes_publish_one_night_once(world, pool):
    paths = world.fill(5)
    path = world.captioned(shard_size=2)
    outcomes = list(pool.map(publish, [path] * 8))
    assert sorted(outcome["already_published"] for outcome in outcomes) == [False] + [True] * 7
    assert world.images() == paths
    assert len(commits(world.home.captions, "WRITE")) == 1
    assert {row["run"] for row in world.rows()} == {"r1"}


def test_6_eight_whole_nights_at_once_are_one(world, pool):
    paths = world.fill(5)
    outcomes = [pool.submit(whole_night, world.home.root, "r1") for _ in range(8)]
    found = [outcome.result() for outcome in outcomes]
    assert sorted(map(str, found)) == ["False"] + ["True"] * 7
    assert world.images() == paths
    assert len(commits(world.home.captions, "WRITE")) == 1


def test_6_the_command_line_beside_the_scheduler(world, pool):
    """The same night under eight run ids: one publishes, the others hear that it is done."""
    paths = world.fill(5)
    outcomes = [pool.submit(whole_night, world.home.root, f"r{run}") for run in range(8)]
    found = [outcome.result() for outcome in outcomes]
    assert found.count(False) == 1
    assert all("published" in outcome for outcome in found if outcome is not False), found
    assert world.images() == paths
    assert len({row["run"] for row in world.rows()}) == 1


def append(uri, names, expected):
    return CaptionTable(uri).append(rows(*(row(name) for name in names)), expected)


def test_eight_processes_make_one_table(world, pool):
    """Several may commit the table's making, which changes nothing."""
    uri = str(world.home.captions)
    counts = list(pool.map(append, [uri] * 8, [["a", "b"], ["b", "c"], ["c", "d"], ["d", "a"]] * 2, [0] * 8))
    assert sum(counts) == 4
    table = DeltaTable(uri)
    assert sorted(table.to_pyarrow_table()["image"].to_pylist()) == ["a", "b", "c", "d"]
    assert CaptionTable(uri).version() == len(commits(uri, "WRITE")) == sum(count > 0 for count in counts)
    CaptionTable(uri).write_current()
    assert DeltaTable(f"{uri}_current").to_pyarrow_table().num_rows == 4


def test_two_nights_planned_against_one_table(world, pool):
    """A manual night beside the scheduled one, at the same moment and over the same images."""
    paths = world.fill(6)
    plans = [world.captioned(night, f"run-{night}") for night in ("scheduled", "manual")]
    outcomes = list(pool.map(publish, plans))
    assert world.images() == paths
    assert sorted(outcome["duplicates"] for outcome in outcomes) == [0, 6]


def test_a_manifest_that_names_images_twice(world):
    """Side by side, far apart, and images that the table has already."""
    paths = world.fill(2)
    world.night("n0", "r0")
    paths += world.fill(2, start=2)
    manifest = world.home.root / "twice.csv"
    lines = [f"{info.name},{info.etag},{info.size}\n" for info in LocalFolder(world.home.inbox).list()]
    manifest.write_text("key,etag,size\n" + "".join(lines + lines[::-1]) + f"notes.txt,e,1\n{lines[3]}")
    counts = world.night("n1", manifest=str(manifest)).counts
    assert (counts.listed, counts.unchanged, counts.planned, counts.backlog, counts.ignored) == (4, 2, 2, 0, 6)
    assert world.images() == paths


@pytest.mark.parametrize("replayed", [False, True])
def test_two_nights_with_two_versions_publish_an_image_once(world, replayed):
    """A promotion between two plans; only a night that is asked to caption again adds the other version's."""
    paths = world.fill(6)
    newer = replace(PINNED, version="4")
    if replayed:
        world.night("n0", "r0")
    settings = settings_of(replay_night="n0") if replayed else settings_of()
    plans = [world.captioned("n1", "r1"), captioned_by(world, newer, settings)]
    assert [publish(path)["duplicates"] for path in plans] == [0, 0 if replayed else 6]
    assert world.images() == (sorted(paths * 2) if replayed else paths)
    world.fill(1, start=6)
    assert publish(captioned_by(world, newer, settings_of(), "n3"))["duplicates"] == 0


def test_two_replays_with_models_of_other_names_publish_both(world):
    """Versions are counted anew under each name."""
    paths = world.fill(2)
    world.night("n0", "r0")
    foreign, ours = replace(PINNED, name="blip", version="4"), replace(PINNED, version="4")
    again = settings_of(replay_night="n0")
    plans = [captioned_by(world, model, again, night) for model, night in ((foreign, "n1"), (ours, "n2"), (ours, "n3"))]
    assert [publish(path)["duplicates"] for path in plans] == [0, 0, 2]
    assert world.images() == sorted(paths * 3)


def captioned_by(world, model, settings, night="n2"):
    made = plan(settings, world.home, model, world.attempt(night))
    for shard in range(made["shards"]):
        caption_shard(made["plan"], shard, lambda pinned: ColourCaptioner(version=pinned.version))
    return made["plan"]


def test_an_image_that_another_night_could_not_read_is_published(world):
    """It was written again and again while one night read it, and was at rest for the other."""
    (path,) = world.fill(1)
    other, night = world.captioned("n1", "r1"), world.captioned("n2", "r2")
    spoil(Plan.read(other).part_files(0)[0])
    late = world.captioned("n3", "r3")
    spoil(Plan.read(late).part_files(0)[0])
    outcomes = [publish(each) for each in (other, night, late)]
    assert [outcome["duplicates"] for outcome in outcomes] == [0, 0, 1]
    assert [row["image"] for row in world.rows(current=True)] == [path]
    assert world.images() == [path, path], "one of them quarantined"


def spoil(part):
    """A part's rows as they would be, had the images changed after they were listed."""
    changed = [
        each | {"status": "quarantined", "reason": "source_changed", "caption": None}
        for each in pq.read_table(part).to_pylist()
    ]
    pq.write_table(pa.Table.from_pylist(changed, pq.read_schema(part)), part)


def test_27_twenty_nights_in_one_process(tmp_path):
    """After ten nights, when every library is warm and the log had its first checkpoint, twenty more."""
    world, memory = World(Home(tmp_path, tmp_path / "store", ""), ColourCaptioner()), []
    for night in range(30):
        for n in range(40 * night, 40 * night + 40):
            world.put(f"{n:03d}.jpg", image((n % 256, n // 256, 99)))
        world.night(f"n{night}", f"r{night}", shard_size=20, part_size=10)
        if night in {9, 29}:
            memory.append(held())
    assert len(world.rows()) == 1200
    before, after = memory
    assert after < before * 1.05, f"{before / 2**20:.0f} MiB, then {after / 2**20:.0f} MiB"


def held():
    """Bytes of memory in use, without what allocators keep for later."""
    gc.collect()
    pa.default_memory_pool().release_unused()
    with contextlib.suppress(OSError, AttributeError):  # not glibc
        ctypes.CDLL(None).malloc_trim(0)
    return psutil.Process().memory_info().rss


def test_upkeep_beside_nights(world, pool):
    """Compaction and vacuum while nights publish: no row is lost or doubled."""
    uri = str(world.home.captions)
    append(uri, ["first"], 0)
    tended = pool.submit(tend, uri, 10)
    counts = list(pool.map(append, [uri] * 20, [[f"p{n}"] for n in range(20)], [1] * 20))
    tended.result()
    assert counts == [1] * 20
    assert len(DeltaTable(uri).to_pyarrow_table()) == 21
    assert CaptionTable(uri).version() > 21


def tend(uri, times):
    from pipeline.storage.tables.maintenance import compact_table

    for _ in range(times):
        compact_table(CaptionTable(uri))
        vacuum_table(CaptionTable(uri), keep_days=1)
