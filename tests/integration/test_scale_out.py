"""The same DAG on two Celery workers: a task is told to end, a worker is killed, nights of the past are made up for."""

import os
import signal
import time
import urllib.request
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import pytest
from deltalake import DeltaTable
from scaled_out import ScaledOut

from pipeline.home import Home
from pipeline.sources.scenes.dataset import draw_inbox
from tests.services import INITDB, REDIS, running_postgres, running_redis

pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(1200),
    pytest.mark.skipif(not INITDB, reason="needs PostgreSQL's server (Debian package postgresql)"),
    pytest.mark.skipif(not REDIS, reason="needs Redis (Debian package redis-server)"),
]

SHARD, SHARDS = 600, 3
NIGHT = {"shard_size": SHARD, "part_size": 16, "gallery_size": 4}
DAYS = [datetime(2026, 3, day, 2, tzinfo=UTC) for day in (1, 2, 3)]


@pytest.fixture(scope="module")
def home(tiny_run, tmp_path_factory):
    """A home of its own with the registry of a small trained model."""
    root = tmp_path_factory.mktemp("scaled_out")
    return Home(root, root / "store", tiny_run.home.tracking_uri)


@pytest.fixture(scope="module")
def stack(home):
    with running_postgres() as database, running_redis() as broker, pytest.MonkeyPatch.context() as patch:
        patch.setenv("NIGHTCAP_SCHEDULE", "0 2 * * *")
        urllib.request.install_opener(None)
        stack = ScaledOut(home, database=database, broker=broker)
        try:
            stack.start()
            yield stack
        finally:
            stack.stop()


@pytest.fixture(scope="module")
def api(stack):
    api = stack.api()
    pool = {"pool": "model", "slots": len(stack.workers), "include_deferred": False}
    api._call("PATCH", "pools/model?update_mask=slots", pool)
    return api


@dataclass
class Disturbed:
    """What a night with a task that was told to end, and with a worker that was killed, came to."""

    run: str
    pictures: set[str]
    table: Path
    folder: Path
    stopped: str
    stop_s: float
    scratch: list[Path]
    killed: str
    retried_s: float


@pytest.fixture(scope="module")
def disturbed(stack, api, home):
    pictures = copies(home.root / "many", SHARD * SHARDS)
    table = home.root / "many captions"
    run = api.trigger("caption_nightly", NIGHT | {"input": str(home.root / "many"), "table": str(table)})
    folder = folder_of(home, run)
    stopped = at_work(api, run, folder)
    stop_s = end(pid_of(api, run, stopped))
    scratch = list(folder.rglob(f".{int(stopped):05d}-*"))  # the others are at work
    killed = at_work(api, run, folder, but=stopped)
    stack.kill_worker_of(pid_of(api, run, killed))
    started = time.monotonic()
    wait_for(lambda: instance(api, run, killed)["try_number"] > 1 and running(api, run, killed), 240)
    retried_s = time.monotonic() - started
    for _ in api.follow("caption_nightly", run):
        pass
    return Disturbed(run, pictures, table, folder, stopped, stop_s, scratch, killed, retried_s)


def copies(folder, count):
    """Names of as many pictures, most of them copies."""
    drawn = [path.read_bytes() for path in draw_inbox(folder.with_name("drawn"), 30, seed=5)]
    folder.mkdir()
    for n in range(count):
        (folder / f"{n:05d}.png").write_bytes(drawn[n % len(drawn)])
    return {str(path) for path in folder.iterdir()}


def folder_of(home, run):
    found = []
    wait_for(lambda: found.extend(home.store.glob(f"nights/*/{run}")) or found, 240)
    return found[0]


def at_work(api, run, folder, but=None):
    """A shard that has begun to write, and has far to go."""
    found = []

    def look():
        for shard in range(SHARDS):
            parts = len(list((folder / "parts").glob(f"{shard:05d}-*.parquet")))
            fresh = 0 < parts < SHARD // NIGHT["part_size"] - 4 and str(shard) != but
            if fresh and running(api, run, str(shard)):  # it does not exist before its first part
                found.append(str(shard))
        return found

    wait_for(look, 300, 0.2)
    return found[0]


def instance(api, run, shard):
    return api.get(f"dags/caption_nightly/dagRuns/{run}/taskInstances/caption/{shard}")


def running(api, run, shard):
    return instance(api, run, shard)["state"] == "running"


def pid_of(api, run, shard):
    wait_for(lambda: instance(api, run, shard)["pid"], 30, 0.2)
    return instance(api, run, shard)["pid"]


def end(pid):
    """Send SIGTERM; the seconds that the process took to end."""
    process, started = psutil.Process(pid), time.monotonic()
    process.send_signal(signal.SIGTERM)
    process.wait(60)
    return time.monotonic() - started


def wait_for(met, limit_s, pause_s=1.0):
    deadline = time.monotonic() + limit_s
    while not met():
        assert time.monotonic() < deadline, f"{met} was not met in {limit_s} s"
        time.sleep(pause_s)


def rows_of(table):
    return DeltaTable(str(table)).to_pyarrow_table().to_pylist()


def test_5_a_task_that_is_told_to_end_does_so_soon_and_cleanly(api, disturbed):
    assert disturbed.stop_s < 30
    assert disturbed.scratch == []
    told = api.log("caption_nightly", disturbed.run, "caption", 1, int(disturbed.stopped))
    assert [line for line in told if "Stopped" in str(line.get("error_detail"))]
    assert instance(api, disturbed.run, disturbed.stopped)["try_number"] == 2


def test_a_night_outlives_the_death_of_a_worker(api, disturbed):
    print(f"\nthe killed worker's task ran again after {disturbed.retried_s:.0f} s")
    assert disturbed.retried_s < 120
    assert set(api.task_states("caption_nightly", disturbed.run).values()) == {"success"}
    rows = rows_of(disturbed.table)
    assert len(rows) == len(disturbed.pictures) == SHARD * SHARDS
    assert {row["image"] for row in rows} == disturbed.pictures
    assert {(row["status"], row["model_version"], row["run"]) for row in rows} == {("captioned", "1", disturbed.run)}
    assert len(rows_of(f"{disturbed.table}_current")) == len(rows)
    assert not (disturbed.folder / "parts").exists()


def test_9_airflows_own_backfill(api, home, disturbed):
    """Three nights at once on the worker that is left; two of them have pictures of their own."""
    drawn = draw_inbox(home.root / "past", 4, seed=6)
    for n, path in enumerate(drawn):
        moment = (DAYS[0 if n < 2 else 2] - timedelta(hours=1)).timestamp()
        os.utime(path, (moment, moment))
    table = home.root / "past captions"
    asked = {
        "dag_id": "caption_nightly",
        "from_date": DAYS[0].isoformat(),
        "to_date": DAYS[-1].isoformat(),
        "max_active_runs": 3,
        "dag_run_conf": {"input": str(home.root / "past"), "table": str(table)},
    }
    made = api._call("POST", "backfills", asked)["id"]
    wait_for(lambda: api.get(f"backfills/{made}")["completed_at"], 300)
    runs = api.get("dags/caption_nightly/dagRuns?run_type=backfill")["dag_runs"]
    assert [run["state"] for run in runs] == ["success"] * 3
    rows = rows_of(table)
    assert sorted(row["image"] for row in rows) == sorted(map(str, drawn))
    early = {row["night"] for row in rows if row["image"] in map(str, drawn[:2])}
    assert len(early) == 1
    assert max(row["night"] for row in rows) <= "2026-03-03T020000Z"
