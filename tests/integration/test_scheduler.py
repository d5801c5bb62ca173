"""The DAGs on a real scheduler: a night too early, a training, nights by hand and by the clock, mistakes, and the end."""

import os
import shutil
import socket
import sqlite3
import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlencode

import psutil
import pytest
import yaml

from nightcap.local.stack import LocalStack
from pipeline.core.errors import Permanent
from pipeline.core.settings.form import training_values
from pipeline.data.sources.scenes.dataset import draw_inbox
from pipeline.storage.files import read_json
from pipeline.storage.tables.corrections import Correction, CorrectionTable
from pipeline.training.device_check.check import NO_GPU
from tests.canaries import CANARY, ENVIRONMENT, carried, holding
from tests.conftest import LENIENT_GATE
from tests.integration.runs import (
    counted,
    log_when_there,
    mlflow_says,
    night,
    predicted,
    rows_of,
    rows_when_there,
    runs_when_there,
)

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

TINY = {
    "source.scene_count": 120,
    "validation.min_images": 5,
    "encoder.epochs": 1,
    "encoder.shards": 2,
    "decoder.units": 32,
    "decoder.embedding": 16,
    "training.epochs": 1,
    **{f"gate.{name}": value for name, value in LENIENT_GATE.items()},
}
SKIPPED_NIGHT = dict.fromkeys(["shards", "caption", "publish", "report"], "skipped")


@pytest.fixture(scope="module", autouse=True)
def _usual_settings(tmp_path_factory):
    """What trainings that nobody fills a form for are like, and credentials that nothing may repeat."""
    file = tmp_path_factory.mktemp("settings") / "usual.yaml"
    values = {"source.corrections_to_train": 2, "validation.drift": "warn"}
    file.write_text(yaml.safe_dump(training_values({"preset": "scenes", **TINY, **values})))
    with pytest.MonkeyPatch.context() as patch, carried():
        patch.setenv("NIGHTCAP_TRAIN_CONFIG", str(file))
        yield


@pytest.fixture(scope="module")
def too_early(api):
    return night(api)


@pytest.fixture(scope="module")
def trained(api, too_early):
    """A training's id, and what the log of its task `train` held while it ran."""
    run = api.trigger("train_captioner", TINY)
    live = []
    for name, state in api.state_changes("train_captioner", run):
        if (name, state) == ("train", "running"):
            live = log_when_there(api, run, name)
    return run, live


@pytest.fixture(scope="module")
def folder(home):
    """Twelve images and two files that are none."""
    folder = home.root / "new images"
    whole = draw_inbox(folder, 12, seed=3)[0].read_bytes()
    (folder / "cut.png").write_bytes(whole[: len(whole) // 2])
    (folder / "page.jpg").write_bytes(b"<html></html>")
    return folder


@pytest.fixture(scope="module")
def captioned(api, home, folder, trained):
    """A night over the folder into a table of its own, away from the scheduled nights."""
    table = home.root / "table"
    run, states = night(api, input=str(folder), table=str(table))
    return run, states, table


def test_services_listen_on_loopback_alone_and_on_ports_that_were_free(stack, home, taken, processes_of):
    ports = {int(url.rsplit(":", 1)[1]) for url in (stack.airflow_url, stack.mlflow_url)}
    assert not ports & taken
    found = [connection for process in processes_of(home.root) for connection in process.net_connections("tcp")]
    listening = {(socket.laddr.ip, socket.laddr.port) for socket in found if socket.status == "LISTEN"}
    assert listening == {("127.0.0.1", port) for port in ports}


def test_every_part_that_airflow_shows_is_healthy(api):
    parts = api.get("monitor/health")
    assert {name: part["status"] for name, part in parts.items()} == dict.fromkeys(
        ("metadatabase", "scheduler", "triggerer", "dag_processor"), "healthy"
    )


def test_a_second_stack_is_refused_in_the_same_home(stack, home):
    with pytest.raises(Permanent, match="another Airflow of Nightcap runs in"):
        LocalStack(home).start()


def test_a_night_before_the_first_champion_is_skipped_with_a_reason(api, too_early):
    run, states = too_early
    assert states == {"plan": "skipped", **SKIPPED_NIGHT}
    assert api.get(f"dags/caption_nightly/dagRuns/{run}")["state"] == "success"
    reasons = [line["reason"] for line in api.log("caption_nightly", run, "plan") if line["event"] == "Skipping task."]
    assert len(reasons) == 1
    assert reasons[0].startswith("nothing is captioned until a model is promoted: no model at models:/captioner@")


def test_a_training_succeeds_and_is_promoted(api, stack, trained):
    states = api.task_states("train_captioner", trained[0])
    assert states.pop("approve") == "skipped"
    assert set(states.values()) == {"success"}
    assert {"extract_shard [0]", "extract_shard [1]", "train", "promote"} <= states.keys()
    query = "registered-models/alias?name=captioner&alias=champion"
    version = mlflow_says(stack, query)["model_version"]
    assert version["version"] == "1"
    events = api.get("assets/events?source_dag_id=train_captioner")["asset_events"]
    assert [(event["name"], event["extra"]["version"]) for event in events] == [("captioner", "1")]


def test_the_log_of_train_shows_its_progress(api, trained):
    run, live = trained
    assert live
    events = [line["event"] for line in api.log("train_captioner", run, "train")]
    assert any(event.startswith("train: epoch 1 of 1, loss ") for event in events)


def test_a_night_captions_quarantines_and_publishes(api, captioned, folder):
    run, states, table = captioned
    assert set(states.values()) == {"success"}
    rows = {Path(row["image"]).name: row for row in rows_of(table)}
    bad = {name: rows.pop(name) for name in ("cut.png", "page.jpg")}
    assert {row["status"] for row in bad.values()} == {"quarantined"}
    assert all(row["reason"] and row["caption"] is None for row in bad.values())
    assert set(rows) == {path.name for path in folder.glob("scene-*.png")}
    assert {(row["status"], row["run"], row["model_version"]) for row in rows.values()} == {("captioned", run, "1")}
    assert all(row["caption"] and row["score"] <= 0 for row in rows.values())
    current = {Path(row["image"]).name: row for row in rows_of(f"{table}_current")}
    assert current == rows


def test_a_night_tells_what_it_did_on_a_page(api, captioned, folder):
    run, _, table = captioned
    summary = api.result("caption_nightly", run, "report")
    assert (summary["captioned"], summary["quarantined"], summary["version"]) == (12, 2, 1)
    page = Path(summary["gallery"]).read_text()
    assert all(row["caption"] in page for row in rows_of(f"{table}_current"))
    assert "cut.png" in page
    assert "page.jpg" in page


def test_airflow_leads_to_the_images_of_a_night(api, captioned):
    run, _, _ = captioned
    name = api.result("caption_nightly", run, "report")["night"]
    page = f"http://127.0.0.1:8090/night?{urlencode({'night': name})}"
    for task in ("publish", "report"):
        links = api.get(f"dags/caption_nightly/dagRuns/{run}/taskInstances/{task}/links")
        assert links["extra_links"] == {"Images of this night": page}
    views = [view for plugin in api.get("plugins")["plugins"] for view in plugin["external_views"]]
    assert {view["name"]: view["destination"] for view in views} == {
        "Captions": "nav",
        "Images of this night": "dag_run",
    }


def test_the_same_night_again_does_nothing(api, captioned, folder):
    before = rows_of(captioned[2])
    _, states = night(api, input=str(folder), table=str(captioned[2]))
    assert states == {"plan": "success", **SKIPPED_NIGHT}
    assert rows_of(captioned[2]) == before


def test_enough_corrections_start_a_training(api, home, captioned, folder):
    table, images = CorrectionTable(home.store / "corrections"), sorted(folder.glob("scene-*.png"))
    said = [Correction(str(file), "a red circle", "ann", datetime.now(UTC)) for file in images]
    try:
        table.append(said[:1])
        run = counted(api)
        assert api.task_states("watch_corrections", run) == {"count": "skipped"}
        reasons = [
            line["reason"] for line in api.log("watch_corrections", run, "count") if line["event"] == "Skipping task."
        ]
        assert reasons == ["1 new corrections since the last training; 2 start the next"]
        table.append(said[1:])
        assert api.task_states("watch_corrections", counted(api)) == {"count": "success"}
        (started,) = runs_when_there(api, "asset_triggered")
        try:
            next(
                change for change in api.state_changes("train_captioner", started) if change == ("validate", "success")
            )
        finally:
            api.abandon("train_captioner", started)
        assert api.task_states("watch_corrections", counted(api)) == {"count": "skipped"}
    finally:
        table.forget([str(file) for file in images])  # no later test trains on them


@pytest.mark.skipif(shutil.which("nvidia-smi") is not None, reason="this machine has a GPU")
def test_without_a_gpu_its_examination_is_skipped(api):
    run = api.trigger("doctor_gpu", {})
    for _ in api.state_changes("doctor_gpu", run):
        pass
    assert api.task_states("doctor_gpu", run) == {"examine": "skipped"}
    (reason,) = [line["reason"] for line in api.log("doctor_gpu", run, "examine") if line["event"] == "Skipping task."]
    assert reason == NO_GPU


def test_new_images_are_captioned_by_the_clock(api, home, captioned):
    drawn = {str(path) for path in draw_inbox(home.inbox, 3, seed=4)}
    api.set_paused("caption_nightly", False)
    rows = rows_when_there(home.captions)
    assert {row["image"] for row in rows if row["status"] == "captioned"} == drawn
    (run,) = {row["run"] for row in rows}
    for _ in api.state_changes("caption_nightly", run):
        pass
    about = api.get(f"dags/caption_nightly/dagRuns/{run}")
    assert (about["run_type"], about["state"]) == ("scheduled", "success")
    before = datetime.fromisoformat(read_json(Path(api.result("caption_nightly", run, "plan", "plan")))["before"])
    assert before == datetime.fromisoformat(about["data_interval_end"])
    assert (before.second, before.microsecond) == (0, 0)
    api.set_paused("caption_nightly", True)


@pytest.mark.parametrize(
    ("dag", "params", "complaint"),
    [
        ("train_captioner", {"preset": "flickr"}, "'flickr' is not one of"),
        ("train_captioner", {"training.epochs": 0}, "0 is less than the minimum of 1"),
        ("train_captioner", {"encoder.name": 5}, "Invalid input for param encoder.name"),
    ],
)
def test_wrong_params_are_refused_at_once(api, dag, params, complaint):
    with pytest.raises(Permanent, match=r"with 4(00|22)") as refused:
        api.trigger(dag, params)
    assert complaint in str(refused.value)
    assert api.active_runs(dag) == []


@pytest.mark.parametrize(
    ("params", "task", "complaint"),
    [
        ({"training.epoch": 3}, "snapshot", "SettingsError: unknown setting training.epoch; known here: seed, epochs"),
        (TINY | {"validation.min_images": 5000}, "validate", "DatasetRejected: dataset rejected: train_images is 96"),
    ],
)
def test_what_cannot_pass_fails_at_once_and_says_why(api, trained, params, task, complaint):
    run = api.trigger("train_captioner", params)
    with pytest.raises(Permanent) as failed:
        for _ in api.state_changes("train_captioner", run):
            pass
    assert f"{task}: {complaint}" in str(failed.value)
    instance = api.get(f"dags/train_captioner/dagRuns/{run}/taskInstances/{task}")
    assert (instance["state"], instance["try_number"]) == ("failed", 1)
    details = [line["error_detail"][0] for line in api.log("train_captioner", run, task) if line.get("error_detail")]
    assert complaint in f"{details[-1]['exc_type']}: {details[-1]['exc_value']}"


def test_tasks_hand_one_another_small_values(home, captioned):
    with closing(sqlite3.connect(home.root / "airflow" / "airflow.db")) as database:
        sizes = database.execute("select task_id, key, length(cast(value as blob)) from xcom").fetchall()
    assert {"snapshot", "train", "plan", "publish", "report"} <= {task for task, _, _ in sizes}
    assert [entry for entry in sizes if entry[2] >= 4096] == []


@pytest.fixture(scope="module")
def stopped(api, stack, home, captioned, processes_of):
    """The seconds that it took to stop everything in the middle of a task, and what was left."""
    run = api.trigger("train_captioner", TINY | {"source.scene_seed": 8})
    next(change for change in api.state_changes("train_captioner", run) if change == ("validate", "running"))
    at_work = processes_of(home.root)
    started = time.monotonic()
    stack.stop()
    seconds = time.monotonic() - started
    left = [process for process in at_work if process.is_running() and process.status() != psutil.STATUS_ZOMBIE]
    return seconds, processes_of(home.root) + left, len(at_work)


def test_nothing_is_left_when_it_is_stopped_at_work(stack, stopped):
    seconds, left, at_work = stopped
    assert at_work > 6
    assert left == []
    assert seconds < 30
    for url in (stack.airflow_url, stack.mlflow_url):
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", int(url.rsplit(":", 1)[1]))) != 0


def test_24_no_credential_is_in_a_database_or_a_log(home, stopped):
    assert CANARY in ENVIRONMENT["AWS_SECRET_ACCESS_KEY"] == os.environ["AWS_SECRET_ACCESS_KEY"]
    assert {"airflow.db", "mlflow.db"} <= {path.name for path in home.root.rglob("*.db")}
    assert not holding(home.root)


def test_the_champion_loads_without_servers(home, captioned, stopped, tmp_path):
    captions = {row["image"]: row["caption"] for row in rows_of(f"{captioned[2]}_current")}
    assert predicted(home, sorted(captions), tmp_path) == [captions[image] for image in sorted(captions)]
