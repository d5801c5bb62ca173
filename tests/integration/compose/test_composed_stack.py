"""The stack of docker-compose.yml trains, promotes and captions from S3; tasks and workers die, nights of the past are made up for, alerts
go out."""

import json
import os
import re
import signal
import time
import urllib.request
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import psutil
import pytest
from botocore.exceptions import ClientError
from deltalake import DeltaTable

from pipeline.core.errors import Permanent
from pipeline.data.sources.scenes.dataset import draw_inbox
from tests.integration.compose.reach import eventually, heard, s3
from tests.until import until

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1500)]

SHARD, SHARDS, BROKEN = 250, 3, 25
NIGHT = {"shard_size": SHARD, "part_size": 4, "gallery_size": 4}
DAYS = [datetime(2026, 3, day, 2, tzinfo=UTC) for day in (1, 2, 3)]


@pytest.mark.parametrize(
    ("role", "bucket"),
    [
        ("NIGHTS", "mlflow"),
        ("NIGHTS", "promotions"),
        ("NIGHTS", "pictures"),
        ("TRAINING", "pictures"),
        ("MLFLOW", "mlflow"),
    ],
)
def test_a_role_cannot_write_where_it_must_not(stack, role, bucket):
    s3(stack, "OWNER").put_object(Bucket=bucket, Key="there", Body=b"as it was")
    with pytest.raises(ClientError, match="AccessDenied"):
        s3(stack, role).put_object(Bucket=bucket, Key="there", Body=b"altered")
    with pytest.raises(ClientError, match="AccessDenied"):
        s3(stack, role).delete_object(Bucket=bucket, Key="there")
    assert s3(stack, role).get_object(Bucket=bucket, Key="there")["Body"].read() == b"as it was"
    s3(stack, "OWNER").delete_object(Bucket=bucket, Key="there")


def test_it_trains_and_promotes_on_the_training_worker(stack, api, champion):
    tasks = api.get(f"dags/train_captioner/dagRuns/{champion}/taskInstances?limit=100")["task_instances"]
    assert {task["queue"] for task in tasks} == {"training"}
    (entry,) = s3(stack, "OWNER").list_objects_v2(Bucket="promotions")["Contents"]
    assert entry["Key"] == "journal/00000001.json"
    assert s3(stack, "OWNER").list_objects_v2(Bucket="mlflow")["KeyCount"] > 0


@dataclass
class Disturbed:
    """What a night with a task that was told to end, and with a worker that was killed, came to."""

    run: str
    stopped: str
    stop_s: float
    scratch: list[Path]
    killed: str
    container: str
    workers: set[str]


@pytest.fixture(scope="module")
def disturbed(stack, api, champion, tmp_path_factory):
    """A night from S3, where nights look if nobody names an input."""
    client = s3(stack, "OWNER")
    drawn = [path.read_bytes() for path in draw_inbox(tmp_path_factory.mktemp("drawn"), 30, seed=5)]
    for number in range(SHARD * SHARDS):
        client.put_object(Bucket="pictures", Key=f"inbox/{number:04d}.png", Body=drawn[number % len(drawn)])
    run = api.trigger("caption_nightly", NIGHT)
    workers = workers_at_work(stack, api, run)
    stopped = at_work(stack, api, run)
    stop_s = end(instance(api, run, stopped)["pid"])
    folders = stack.volume("nightcap").glob(f"store/nights/*/{run}")
    scratch = [path for folder in folders for path in folder.rglob(f".{int(stopped):05d}-*")]  # the others are at work
    killed = at_work(stack, api, run, but=stopped)
    container = stack.kill_replica_of(instance(api, run, killed)["pid"])
    for _ in api.state_changes("caption_nightly", run):
        pass
    return Disturbed(run, stopped, stop_s, scratch, killed, container, workers)


def at_work(stack, api, run, but=None):
    """A shard that has begun to write, and has far to go."""

    def find():
        for shard in map(str, range(SHARDS)):
            parts = f"store/nights/*/{run}/parts/{int(shard):05d}-*.parquet"
            written = sum(1 for _ in stack.volume("nightcap").glob(parts))
            if shard != but and 0 < written < SHARD // NIGHT["part_size"] - 10:
                task = instance(api, run, shard)
                if task["state"] == "running" and task["pid"]:
                    return shard
        return None

    return until(find, 300, "no shard was seen at work")


def workers_at_work(stack, api, run):
    """Who has a shard, once both workers have one."""

    def find():
        pids = [task["pid"] for task in instances(api, run) if task["state"] == "running" and task["pid"]]
        with suppress(ProcessLookupError):  # it has just ended
            workers = {stack.replica_of(pid) for pid in pids}
            return workers if len(workers) == 2 else None

    return until(find, 300, "the two workers were not seen at work at once")


def instances(api, run):
    tasks = api.get(f"dags/caption_nightly/dagRuns/{run}/taskInstances?limit=100")["task_instances"]
    return [task for task in tasks if task["task_id"] == "caption"]


def instance(api, run, shard):
    return api.get(f"dags/caption_nightly/dagRuns/{run}/taskInstances/caption/{shard}")


def end(pid):
    """Send SIGTERM; the seconds that the process took to end."""
    process, started = psutil.Process(pid), time.monotonic()
    process.send_signal(signal.SIGTERM)
    process.wait(60)
    return time.monotonic() - started


def rows_of(table):
    return DeltaTable(str(table)).to_pyarrow_table().to_pylist()


def test_5_a_task_that_is_told_to_end_does_so_soon_and_cleanly(api, disturbed):
    assert disturbed.stop_s < 30
    assert disturbed.scratch == []
    told = api.log("caption_nightly", disturbed.run, "caption", 1, int(disturbed.stopped))
    assert [line for line in told if "Stopped" in str(line.get("error_detail"))]
    assert instance(api, disturbed.run, disturbed.stopped)["try_number"] == 2


def test_a_night_outlives_one_of_two_workers(stack, api, disturbed):
    (survivor,) = disturbed.workers - {disturbed.container}
    assert disturbed.workers == {"worker-nights-1", "worker-nights-2"}
    taken = (stack.folder / "logs" / f"{survivor}.log").read_text()
    assert re.search(rf"run_id='{re.escape(disturbed.run)}', try_number=2, .*map_index={disturbed.killed},", taken)
    assert instance(api, disturbed.run, disturbed.killed)["try_number"] == 2
    assert set(api.task_states("caption_nightly", disturbed.run).values()) == {"success"}
    rows, count = rows_of(stack.volume("captions") / "captions"), SHARD * SHARDS
    assert len(rows) == count
    assert {row["image"] for row in rows} == {f"s3://pictures/inbox/{number:04d}.png" for number in range(count)}
    assert {(row["status"], row["model_version"], row["run"]) for row in rows} == {("captioned", "1", disturbed.run)}
    assert len(rows_of(stack.volume("captions") / "captions_current")) == count
    assert not list(stack.volume("nightcap").glob("store/nights/*/*/parts"))


def test_a_night_tells_mlflow_of_itself_by_the_account_of_nights(stack, api, disturbed):
    warned = [
        line["event"] for line in api.log("caption_nightly", disturbed.run, "publish") if line.get("level") == "warning"
    ]
    assert not [line for line in warned if "did not receive" in line]


def test_a_line_of_a_log_names_night_and_run(stack, api, disturbed):
    lines = api.log("caption_nightly", disturbed.run, "caption", 2, int(disturbed.stopped))
    (line,) = [line for line in lines if line["event"].startswith("shard ")]
    assert line["run_id"] == disturbed.run
    assert (stack.volume("nightcap") / "store/nights" / line["night"] / disturbed.run).is_dir()


def test_9_airflows_own_backfill(stack, api, disturbed):
    """Three nights at once on the worker that is left; two of them have images of their own."""
    past = stack.volume("nightcap") / "past"
    drawn = draw_inbox(past, 4, seed=6)
    for number, path in enumerate(drawn):
        moment = (DAYS[0 if number < 2 else 2] - timedelta(hours=1)).timestamp()
        os.utime(path, (moment, moment))
    table = stack.volume("nightcap") / "past captions"
    asked = {
        "dag_id": "caption_nightly",
        "from_date": DAYS[0].isoformat(),
        "to_date": DAYS[-1].isoformat(),
        "max_active_runs": 3,
        "dag_run_conf": {"input": str(past), "table": str(table)},
    }
    made = api._call("POST", "backfills", asked)["id"]
    until(lambda: api.get(f"backfills/{made}")["completed_at"], 300, f"backfill {made} did not end", pause=1)
    runs = api.get("dags/caption_nightly/dagRuns?run_type=backfill")["dag_runs"]
    assert [run["state"] for run in runs] == ["success"] * 3
    rows = rows_of(table)
    assert sorted(row["image"] for row in rows) == sorted(map(str, drawn))
    early = {row["night"] for row in rows if row["image"] in map(str, drawn[:2])}
    assert len(early) == 1
    assert max(row["night"] for row in rows) <= "2026-03-03T020000Z"


@pytest.fixture(scope="module")
def held(stack, api, disturbed):
    """A night of broken images, which is held back."""
    for number in range(BROKEN):
        s3(stack, "OWNER").put_object(Bucket="pictures", Key=f"broken/{number}.jpg", Body=b"<html>")
    run = api.trigger("caption_nightly", {"input": "s3://pictures/broken"})
    with pytest.raises(Permanent, match="NightHeld"):
        for _ in api.state_changes("caption_nightly", run):
            pass
    return run


@pytest.fixture(scope="module")
def late(api, champion):
    """A night that should have begun yesterday at 02:00, and so was to be published at 06:00."""
    yesterday = (datetime.now(UTC) - timedelta(days=1)).replace(hour=2, minute=0)
    asked = {"logical_date": None, "run_after": yesterday.isoformat(), "conf": {"input": "s3://pictures/nothing"}}
    run = api._call("POST", "dags/caption_nightly/dagRuns", asked)["dag_run_id"]
    for _ in api.state_changes("caption_nightly", run):
        pass
    return run


def test_nights_that_are_late_or_held_back_are_told_of(webhook, late, held):
    wanted = {("night_late", late), ("night_held", held)}

    def told():
        return {(body["event"], body["run"]) for body in heard(webhook, "/nights")}

    assert eventually(lambda: wanted <= told()), told()
    for body in heard(webhook, "/nights"):
        assert body["runbook"] == f"docs/runbook.md#{body['event'].replace('_', '')}"


def test_alerts_of_a_held_night_reach_the_webhook(webhook, held):
    def fired():
        return {each["labels"]["alertname"]: each for body in heard(webhook, "/alerts") for each in body["alerts"]}

    wanted = {"NightHeld", "QuarantineShare"}  # not NightFailed, because the schedule did not begin it
    assert eventually(lambda: wanted <= fired().keys()), fired()
    for name, alert in fired().items():
        assert alert["annotations"]["runbook"] == f"docs/runbook.md#{name.lower()}"


def test_prometheus_hears_of_runs_training_gate_registry_champion_and_disks(stack, api, held):
    def asked(expression):
        url = f"{stack.address(9090)}/api/v1/query?query={quote(expression)}"
        with urllib.request.urlopen(url, timeout=30) as answer:
            return [float(each["value"][1]) for each in json.loads(answer.read())["data"]["result"]]

    assert asked('nightcap_run_succeeded_timestamp_seconds{dag="train_captioner"}')
    last = api.get("dags/train_captioner/dagRuns?order_by=-run_after&limit=1")["dag_runs"][0]["dag_run_id"]
    assert asked("nightcap_gate_passed") == [api.result("train_captioner", last, "gate")["promote"]]
    assert asked("nightcap_training_epochs")[0] > 0
    assert asked("nightcap_registry_up") == asked("nightcap_champion") == [1]
    assert all(share > 0 for share in asked("nightcap_disk_free_bytes / nightcap_disk_size_bytes"))
    assert set(asked("up")) == {1}


def test_no_secret_is_told_in_a_log(stack):
    secrets = {name: value for name, value in stack.secrets.items() if not name.endswith("ACCESS_KEY")}
    logs = [*stack.folder.glob("logs/*.log"), *stack.volume("airflow").glob("logs/**/*.log")]
    assert len(logs) > len(stack.services)
    texts = {path.name: path.read_text(errors="replace") for path in logs}
    assert [(log, name) for log, text in texts.items() for name, value in secrets.items() if value in text] == []
