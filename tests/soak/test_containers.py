"""The images build, and the stack of docker-compose.yml runs, in real containers."""

import json
import os
import subprocess
import time
import urllib.request
from collections import Counter

import boto3
import pytest
from deltalake import DeltaTable

from pipeline.data.sources.scenes.dataset import draw_inbox
from tests.fixtures.stored_bundles import stored_formats, unpack
from tests.integration.test_scheduler import TINY
from tests.soak.contained import Contained
from tests.soak.engine import EngineError, lacking, own_engine
from tests.soak.local_images import build_ours, build_stand_in, make_base, qualified

pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(3600),
    pytest.mark.skipif(
        not os.environ.get("NIGHTCAP_SOAK"), reason=lacking() or "builds images and takes 7 to 33 minutes: make soak"
    ),
]
ALONE = ("--rm", "--network=none", "--cap-drop=ALL", "--security-opt=no-new-privileges")
COUNT = 20


class Clock:
    """Tells, for the record of a run, what took how long."""

    def __init__(self):
        self._last = time.monotonic()

    def tell(self, what):
        now = time.monotonic()
        print(f"\n{what}: {now - self._last:.0f} s", flush=True)
        self._last = now


@pytest.fixture(scope="module")
def clock():
    return Clock()


@pytest.fixture(scope="module")
def resolved(clock):
    """The stack, not up, on an engine that has the base and can start a container."""
    if reason := lacking():
        pytest.skip(reason)
    with own_engine() as engine:
        stack = Contained(engine)
        with engine.api():
            stack.resolve()
            base = python_image(stack)
            try:
                make_base(engine, base)
                engine.run("run", *ALONE, "--init", "--memory=64m", "--pids-limit=64", base, "true")
            except (EngineError, subprocess.CalledProcessError) as error:
                pytest.skip(f"podman cannot start here: {error}")
            clock.tell("the base")
            yield stack
    assert not engine.folder.exists()


def python_image(stack):
    return stack.whole["services"]["s3-init"]["build"]["args"]["PYTHON_IMAGE"]


@pytest.fixture(scope="module")
def images(resolved, clock):
    """Names of our two images, by service."""
    services = resolved.whole["services"]
    for name in ("s3-init", "airflow-init"):
        build_ours(resolved.engine, services[name])
        clock.tell(services[name]["image"])
    for name, service in services.items():
        if not service["image"].startswith("nightcap-"):
            build_stand_in(resolved.engine, name, service, python_image(resolved))
    clock.tell("stand-ins")
    print(f"{resolved.engine.gigabytes():.1f} GB", flush=True)
    return {name: qualified(services[name]["image"]) for name in ("s3-init", "airflow-init")}


def test_airflows_image_is_airflow_and_not_root(resolved, images):
    told = resolved.engine.run("run", *ALONE, images["airflow-init"], "sh", "-c", "airflow version; id -u")
    assert told.split()[-1] == "10001"
    assert told.startswith("3.3.")


def test_the_serving_image_captions_from_a_bundle_without_airflow(resolved, images, tmp_path):
    bundle = unpack(stored_formats()[-1], tmp_path / "bundle")
    draw_inbox(tmp_path / "pictures", 3, seed=4)
    subprocess.run(["chmod", "-R", "a+rX", tmp_path], check=True)
    mounts = [f"--volume={bundle}:/bundle:ro", f"--volume={tmp_path / 'pictures'}:/pictures:ro"]
    command = ["nightcap", "caption", "--model", "/bundle", "/pictures"]
    lines = resolved.engine.run("run", *ALONE, *mounts, images["s3-init"], *command).splitlines()
    assert [json.loads(line)["status"] for line in lines] == ["captioned"] * 3
    with pytest.raises(EngineError, match="No module named 'airflow'"):
        resolved.engine.run("run", *ALONE, images["s3-init"], "python", "-c", "import airflow")


@pytest.fixture(scope="module")
def stack(resolved, images, clock):
    clock.tell("single images")
    try:
        resolved.up()
        clock.tell("up and healthy")
        yield resolved
    finally:
        resolved.down("--volumes")
        clock.tell("down")


def test_every_service_is_healthy_and_nobody_may_do_more_than_a_user(stack):
    replicas = Counter(name.rpartition("-")[0] for name in stack.states())
    wanted = {name: service.get("deploy", {}).get("replicas", 1) for name, service in stack.whole["services"].items()}
    assert replicas == wanted
    for name in (name for name, status in stack.states().items() if not status.startswith("Exited")):
        stack.engine.run("healthcheck", "run", f"nightcap-{name}")
        assert stack.inside(name, "id", "-u").strip() != "0"
        assert "CapBnd:\t0000000000000000" in stack.inside(name, "cat", "/proc/1/status")


@pytest.fixture(scope="module")
def night(stack, clock, tmp_path_factory):
    """A training through Airflow's API, then a night over images in S3; the night's id."""
    api = stack.api()
    for _ in api.state_changes("train_captioner", api.trigger("train_captioner", TINY)):
        pass
    clock.tell("trained")
    client = boto3.client(
        "s3",
        endpoint_url=stack.address("S3_PORT"),
        aws_access_key_id=stack.secrets["S3_OWNER_ACCESS_KEY"],
        aws_secret_access_key=stack.secrets["S3_OWNER_SECRET_KEY"],
        region_name="us-east-1",
    )
    for path in draw_inbox(tmp_path_factory.mktemp("drawn"), COUNT, seed=5):
        client.put_object(Bucket="pictures", Key=f"inbox/{path.name}", Body=path.read_bytes())
    run = api.trigger("caption_nightly", {"shard_size": COUNT // 2, "part_size": 4, "gallery_size": 4})
    for _ in api.state_changes("caption_nightly", run):
        pass
    clock.tell("captioned")
    return run


def captions(stack):
    rows = DeltaTable(str(stack.volume("captions") / "captions")).to_pyarrow_table().to_pylist()
    return sorted((row["image"], row["status"], row["caption"], row["model_version"], row["run"]) for row in rows)


def test_it_trains_and_captions_from_s3(stack, night):
    rows = captions(stack)
    assert len(rows) == len({row[0] for row in rows}) == COUNT
    assert {(row[1], *row[3:]) for row in rows} == {("captioned", "1", night)}
    assert all(row[0].startswith("s3://pictures/inbox/") for row in rows)


def test_the_serving_image_captions_with_the_champion_of_the_registry(stack, night):
    command = ["nightcap", "caption", "--model", "models:/captioner@champion", "s3://pictures/inbox"]
    lines = stack.inside("exporter-1", *command).splitlines()
    assert {row[0]: row[2] for row in captions(stack)} == {
        line["image"]: line["caption"] for line in map(json.loads, lines)
    }


@pytest.mark.parametrize("container", ["worker-training-1", "exporter-1"])
def test_captions_are_read_only_to_all_but_nights(stack, container):
    with pytest.raises(EngineError, match="Read-only file system"):
        stack.inside(container, "touch", "/var/lib/captions/written")


def test_prometheus_reaches_every_target_by_its_name(stack, night):
    with urllib.request.urlopen(f"{stack.address('PROMETHEUS_PORT')}/api/v1/query?query=up", timeout=30) as answer:
        up = {each["metric"]["job"]: each["value"][1] for each in json.loads(answer.read())["data"]["result"]}
    assert up == dict.fromkeys(["alertmanager", "nightcap", "pushgateway", "s3"], "1")


def test_volumes_keep_everything_when_the_containers_are_made_anew(stack, night, clock):
    before = captions(stack)
    stack.down()
    clock.tell("down, with volumes kept")
    stack.up()
    clock.tell("up again")
    assert captions(stack) == before
    assert stack.api().get(f"dags/caption_nightly/dagRuns/{night}")["state"] == "success"
    command = ["nightcap", "models", "list"]
    assert "champion" in stack.inside("exporter-1", *command)
