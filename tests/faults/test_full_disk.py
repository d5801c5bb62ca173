"""14: no room left on the disk while a table is written, or at any step of a night."""

import multiprocessing
import os
import resource
import signal
import subprocess
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from deltalake import DeltaTable

from pipeline.core.environment import Home
from pipeline.core.errors import NightcapError, ObjectUnavailable
from pipeline.storage.tables import CaptionTable
from serving.caption_shard import caption_shard
from serving.planning.plan import plan
from serving.publish import publish
from serving.reporting.report import report
from tests.pipeline.storage.tables.table_rows import row, rows
from tests.serving.night_world import PINNED, World, image, settings_of

PAGE = 4096


def files(folder):
    """All but the small file that forgetting and what writes lock."""
    paths = (path for path in folder.rglob("*") if path.is_file() and path.name != "forgotten.lock")
    return sorted(str(path.relative_to(folder)) for path in paths)


@pytest.fixture
def narrow(tmp_path):
    """A file system of 1 MiB."""
    folder = tmp_path / "narrow"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip(f"may not mount a small file system here: {mounted.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", folder], check=True)


def noise(count):
    """Rows that do not compress."""
    return rows(*(row(f"{n}-{os.urandom(400).hex()}") for n in range(count)))


def test_14_a_full_disk(narrow):
    """A clear error, nothing published, nothing left behind, and it goes on once there is room."""
    table = CaptionTable(narrow / "captions")
    assert table.append(noise(10), 0) == 10
    table.write_current()
    before, much = files(narrow), noise(4000)
    with pytest.raises(ObjectUnavailable, match=r"captions: .*No space left on device"):
        table.append(much, 1)
    assert files(narrow) == before
    assert (table.version(), len(DeltaTable(table.uri).to_pyarrow_table())) == (1, 10)
    subprocess.run(["mount", "-o", "remount,size=32m", narrow], check=True)
    assert table.append(much, 1) == 4000
    table.write_current()
    assert DeltaTable(table.current_uri).to_pyarrow_table().num_rows == 4010


def test_14_hardly_any_room(narrow):
    """One page after the other is freed: none for the data, some for the data, all but the log's, enough."""
    table = CaptionTable(narrow / "captions")
    table.append(noise(10), 0)
    filler, small, failed = narrow / "filler", rows(row("small")), 0
    fill(filler)
    before = files(narrow)
    while not appended(table, small):
        failed += 1
        assert files(narrow) == before
        assert table.version() == 1
        os.truncate(filler, filler.stat().st_size - PAGE)
    assert failed >= 3
    assert (table.version(), len(DeltaTable(table.uri).to_pyarrow_table())) == (2, 11)


def fill(path):
    with path.open("wb", buffering=0) as file, pytest.raises(OSError):
        while True:
            file.write(bytes(PAGE))


def appended(table, some):
    try:
        return table.append(some, 1)
    except ObjectUnavailable:
        return 0


def test_14_a_full_disk_at_every_step_of_a_night(narrow, tmp_path):
    """Each step fails with a path, leaves nothing, and goes on from there once there is room."""
    home = Home(narrow, narrow / "store", "", (str(tmp_path),))
    world = World(home, now=datetime.now(UTC) + timedelta(hours=1))
    photos = tmp_path / "photos"
    photos.mkdir()
    for n in range(4):
        (photos / f"{n}.jpg").write_bytes(image((n, 9, 9)))
    settings = settings_of(input=str(photos), part_size=2, write_csv=True)
    step = partial(when_full, narrow)
    made = step("store", lambda: plan(settings, home, PINNED, world.attempt()))["plan"]
    assert step("reference.json|parts/", lambda: caption_shard(made, 0, world.load))["captioned"] == 4
    assert step("captions|watch.json", lambda: publish(made))["captioned"] == 4
    assert step("gallery|summary", lambda: report(made)).captioned == 4
    assert [row["image"] for row in world.rows(current=True)] == [str(photos / f"{n}.jpg") for n in range(4)]


def when_full(folder, where, act):
    """What a step gives once there is room, after it failed without."""
    fill(folder / "filler")
    before = files(folder)
    with pytest.raises(ObjectUnavailable, match=rf"({where}).*No space left on device"):
        act()
    assert files(folder) == before
    (folder / "filler").unlink()
    return act()


def limited(uri, count):
    """Append under a limit on the size of files, which works without being root."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
    try:
        return CaptionTable(uri).append(noise(count), 0)
    except NightcapError as error:
        return type(error).__name__, str(error)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


def test_14_a_file_that_may_not_grow(tmp_path):
    uri = str(tmp_path / "captions")
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        kind, message = pool.submit(limited, uri, 2000).result()
    assert kind == "ObjectUnavailable"
    assert "File too large" in message
    assert list(Path(uri).glob("*.parquet")) == []
    assert CaptionTable(uri).version() == 0
    assert CaptionTable(uri).append(rows(row("a")), 0) == 1
