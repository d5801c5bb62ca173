"""22: a thin or an odd night stops and alerts; a person's word publishes it, without captioning it again."""

from pathlib import Path

import numpy as np
import pytest
from deltalake import DeltaTable
from PIL import Image

from nightcap.cli import main
from pipeline.core.environment import Home
from pipeline.core.errors import NightHeld
from pipeline.data.sources.scenes.dataset import draw_inbox
from pipeline.registry.loading import load_pinned, pin
from pipeline.storage.files import read_json
from serving.caption_shard import caption_shard
from serving.monitoring.alerts import alerting
from serving.night import publish_and_report, run_night
from serving.planning.plan import held
from serving.runs.lifecycle import held_night
from serving.runs.plan_file import Attempt
from serving.runs.settings import NightSettings
from tests.faults.listening import alerts, listening, pushes
from tests.serving.night_world import World, image, unexpected

CHECKOUT = Path(__file__).resolve().parents[2]
SECRET = "hunter2-canary"


@pytest.fixture
def listener():
    """A web server on loopback that stands for the Pushgateway and the webhook."""
    with listening() as server:
        yield server


@pytest.fixture
def address(listener):
    return f"http://127.0.0.1:{listener.server_port}"


@pytest.fixture
def world(tmp_path, address, monkeypatch):
    """A home whose services listen, as the environment names it."""
    registry, webhook = f"sqlite:///{tmp_path / 'mlflow.db'}", f"{address}/hook/{SECRET}"
    home = Home(tmp_path, tmp_path / "store", registry, pushgateway=address, webhook=webhook)
    monkeypatch.setenv("NIGHTCAP_HOME", str(home.root))
    monkeypatch.setenv("NIGHTCAP_PUSHGATEWAY", home.pushgateway)
    monkeypatch.setenv("NIGHTCAP_WEBHOOK", home.webhook)
    return World(home)


def spoil(world, count):
    for number in range(count):
        world.put(f"bad{number:03d}.jpg", b"<html>")


def run_and_fail(*arguments):
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    return ended.value.code


def test_22_too_much_in_quarantine_holds_the_night_until_a_person_accepts_it(world, listener):
    good = world.fill(30)
    spoil(world, 20)
    with pytest.raises(NightHeld, match=r"20 of 50 .*not_an_image 20.*max_quarantine_share=0.05.*--accept-quarantine"):
        world.night()
    assert not world.home.captions.exists()
    assert [push["nightcap_night_published"] for push in pushes(listener)] == [0]
    with pytest.raises(NightHeld):
        world.night(load=unexpected)
    assert len(pushes(listener)) == 1, "of the same night"

    summary = world.night(load=unexpected, accept_quarantine=True)
    assert (summary.captioned, summary.quarantined, summary.version) == (30, 20, 1)
    assert [row["image"] for row in world.rows() if row["status"] == "captioned"] == good
    assert [push["nightcap_night_published"] for push in pushes(listener)] == [0, 1]
    world.night(load=unexpected, accept_quarantine=True)
    assert (len(world.rows()), len(pushes(listener))) == (50, 2)


@pytest.mark.parametrize(
    ("good", "bad", "is_held"), [(21, 19, False), (380, 20, False), (379, 21, True), (0, 20, True)]
)
def test_22_the_share_and_the_floor(world, good, bad, is_held):
    world.fill(good)
    spoil(world, bad)
    path = world.captioned(experiment=None)
    if is_held:
        with pytest.raises(NightHeld):
            publish_and_report(path, world.home, False, True)
    else:
        assert publish_and_report(path, world.home, False, False).quarantined == bad


def test_22_on_the_command_line(world, listener, capsys):
    """A held night of the scheduler's is accepted by its name; no model is needed."""
    world.fill(5)
    spoil(world, 20)
    with pytest.raises(NightHeld):
        world.night("n1", "scheduled__1")
    assert run_and_fail("night", "--night", "n1", "--accept-drift") == 1
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert "night 'n1' is held back: 20 of 25" in told
    (alert,) = alerts(listener)
    assert (alert["source"], alert["event"], alert["night"]) == ("nightcap", "night_held", "n1")
    assert "20 of 25 images are quarantined" in alert["text"]
    assert SECRET not in str(alert) + told

    assert run_and_fail("night", "--night", "n1", "--accept-quarantine") in (0, None)
    assert "night n1: 5 captioned, 20 quarantined" in capsys.readouterr().err
    assert {row["run"] for row in world.rows()} == {"scheduled__1"}
    assert len(alerts(listener)) == 1
    assert held_night(world.home.store, "n1") is None


def test_22_in_airflows_form(world):
    """`held_night` gives the next tasks the plan of the night that waits."""
    world.fill(5)
    spoil(world, 20)
    with pytest.raises(NightHeld):
        world.night(shard_size=10)
    waiting = held(world.home, "n1")
    for shard in range(waiting["shards"]):
        caption_shard(waiting["plan"], shard, unexpected)
    assert publish_and_report(waiting["plan"], world.home, True, False).captioned == 5


def test_22_airflow_alerts_with_the_reason(world, listener):
    from dags.notifier import NightFailed

    world.fill(5)
    spoil(world, 20)
    with pytest.raises(NightHeld):
        world.night("n1", "scheduled__1")
    notify = NightFailed()
    for run in ("scheduled__1", "scheduled__2"):
        notify({"run_id": run, "reason": "task_failure"})
    first, second = alerts(listener)
    assert (first["event"], first["night"], first["run"]) == ("night_held", "n1", "scheduled__1")
    assert "20 of 25 images are quarantined" in first["text"]
    assert (second["event"], second["run"], second["reason"]) == ("night_failed", "scheduled__2", "task_failure")


def test_services_that_are_down_only_warn(world, listener, caplog):
    gone = "http://127.0.0.1:1"
    world.home = Home(world.home.root, world.home.store, gone, pushgateway=gone, webhook=f"{gone}/{SECRET}")
    world.fill(3)
    assert world.night(experiment="nights").captioned == 3
    warnings = [record.message for record in caplog.records if "did not receive the metrics of night" in record.message]
    assert len(warnings) == 2
    assert any("MLflow" in message for message in warnings)
    world.fill(1, start=50)
    spoil(world, 20)
    with pytest.raises(NightHeld), alerting(world.home, "n2"):
        world.night("n2")
    assert "the webhook did not receive the alert" in caplog.text
    assert SECRET not in caplog.text


@pytest.fixture
def scenes(tiny_run, tmp_path, address):
    """Runs a night of the images in a folder with a model of drawn scenes."""
    trained = tiny_run.home
    roots, journal = (str(tmp_path),), trained.promotions
    home = Home(trained.root, tmp_path / "store", trained.tracking_uri, roots, pushgateway=address, journal=journal)
    pinned = pin(home, "models:/captioner@champion")

    def night(folder, name="n1", **settings):
        from datetime import UTC, datetime

        given = NightSettings(input=str(folder), experiment=None, **settings)
        attempt = Attempt.at(datetime.now(UTC), name)
        run_night(given, home, pinned, lambda pinned: load_pinned(home, pinned), attempt)
        return read_json(home.store / "nights" / name / attempt.run / "watch.json")

    night.home = home
    return night


@pytest.mark.parametrize("seed", [11, 12, 13])
def test_fresh_images_like_the_trainings_raise_no_alarm(scenes, tmp_path, seed):
    draw_inbox(tmp_path / "in", 30, seed)
    figures = scenes(tmp_path / "in")
    assert figures["alarms"] == {}
    assert set(figures["drifts"]) == {
        "words", "score", "confidence", "top_caption", "level", "zeros", "spread", "strangeness", "residue",
    }  # fmt: skip


def photographs(folder, count):
    """Drawn like photographs: smooth light, blurred shapes, grain, every colour."""
    folder.mkdir()
    for seed in range(count):
        random = np.random.default_rng(seed)
        coarse = random.integers(0, 256, (6, 8, 3)).astype(np.uint8)
        smooth = Image.fromarray(coarse).resize((320, 240), Image.Resampling.BICUBIC)
        grain = random.normal(0, 8, (240, 320, 3))
        Image.fromarray((np.asarray(smooth) + grain).clip(0, 255).astype(np.uint8)).save(folder / f"{seed}.jpg")


@pytest.mark.parametrize("kind", ["drawn", "real"])
def test_photographs_given_to_the_scenes_model_raise_the_drift_alarm(scenes, tmp_path, kind, listener, request):
    folder = tmp_path / "in"
    if kind == "drawn":
        photographs(folder, 30)
    else:
        folder.mkdir()
        images = request.getfixturevalue("shared_data") / "data" / "flickr8k" / "images"
        for path in sorted(images.glob("*.jpg"))[:30]:
            (folder / path.name).write_bytes(path.read_bytes())
    with pytest.raises(NightHeld, match=r"unlike what the model was made for.*max_picture_drift.*--accept-drift"):
        scenes(folder)
    assert not scenes.home.captions.exists()
    assert pushes(listener)[-1]['nightcap_night_alarm{guard="drift"}'] == 1
    assert set(scenes(folder, accept_drift=True)["alarms"]) == {"drift"}
    assert DeltaTable(str(scenes.home.captions)).to_pyarrow_table().num_rows == 30


def test_a_model_without_a_reference_says_so_once(world, caplog):
    """Bundles made before have none, and other people's captioners never."""
    world.fill(25)
    world.put("odd.jpg", image("red", (300, 20)))
    world.night()
    assert [record.message for record in caplog.records if "drift is unknown" in record.message] == [
        "night n1: drift is unknown, as the model has no reference to compare with"
    ]
    page = (world.folder() / "gallery" / "index.html").read_text()
    assert "Drift unknown" in page
