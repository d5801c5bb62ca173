"""Nights on an object store that fails: a real one, behind a proxy that makes it."""

import os
import time
from dataclasses import replace

import boto3
import pytest

from pipeline.core.environment import Home
from pipeline.core.errors import NightcapError, ObjectUnavailable, SettingsError
from pipeline.storage.objects import open_folder
from pipeline.storage.objects.s3_client import PART_BYTES
from serving.caption_shard import caption_shard
from serving.planning.plan import plan
from tests.faulty_proxy import Faults, faulty_proxy
from tests.s3_objects import put
from tests.serving.night_world import PINNED, World, image, settings_of

pytestmark = pytest.mark.integration

PATIENCE_S = 12


@pytest.fixture
def night(s3, tmp_path):
    """A night's surroundings whose input is a prefix with 40 images."""
    store, uri = s3
    world = World(Home(tmp_path, tmp_path / "store", f"sqlite:///{tmp_path / 'mlflow.db'}", roots=("s3://pictures",)))
    folder = open_folder(uri)
    for number in range(40):
        put(folder, f"{number:03d}.jpg", image((number, 2 * number, 99)))
    return store, uri, world


@pytest.fixture
def faulty(night, monkeypatch):
    """Puts a proxy with some faults between the night and its store."""
    store, _, _ = night
    running = []

    def begin(**shares):
        faults = Faults(**shares)
        running.append(faulty_proxy(store.endpoint, faults))
        monkeypatch.setenv("AWS_ENDPOINT_URL", running[-1].__enter__())
        return faults

    yield begin
    for proxy in running:
        proxy.__exit__(None, None, None)


def where(uri, name):
    bucket, _, prefix = uri.removeprefix("s3://").partition("/")
    return {"Bucket": bucket, "Key": f"{prefix}/{name}"}


def test_a_night_from_a_store(night):
    _, uri, world = night
    summary = world.night(input=uri, shard_size=25, part_size=10)
    assert (summary.captioned, summary.quarantined, summary.input) == (40, 0, uri)
    assert [row["image"] for row in world.rows()] == [f"{uri}/{number:03d}.jpg" for number in range(40)]
    assert world.night("n2", input=uri).counts.unchanged == 40
    page = (world.folder() / "gallery" / "index.html").read_text()
    assert page.count("<img") == 40
    assert ">039.jpg<" in page
    for number in range(40):
        open_folder(uri).delete(f"{number:03d}.jpg")
    with pytest.raises(ObjectUnavailable, match=f"input {uri} holds no image; .* it held 40 images"):
        world.night("n3", input=uri)


@pytest.mark.parametrize(
    "shares", [{"errors": 0.3}, {"throttles": 0.3}, {"errors": 0.1, "throttles": 0.1, "resets": 0.1}]
)
def test_10_a_night_survives_faults_in_30_percent_of_its_calls(night, faulty, shares):
    _, uri, world = night
    faults = faulty(**shares)
    summary = world.night(input=uri, part_size=20, readers=4)
    assert (summary.captioned, summary.quarantined) == (40, 0)
    assert faults.struck > 0.2 * 40
    assert len(world.rows()) == 40


@pytest.mark.parametrize("shares", [{"errors": 1}, {"throttles": 1}, {"resets": 1}])
def test_10_when_all_calls_fail_the_plan_does_before_its_deadline(night, faulty, shares):
    _, uri, world = night
    faulty(**shares)
    began = time.monotonic()
    with pytest.raises(ObjectUnavailable, match="cannot list s3://pictures"):
        world.night(input=uri, store_patience_s=PATIENCE_S)
    assert time.monotonic() - began < PATIENCE_S
    assert not world.home.captions.exists()
    assert not world.folder().exists()


def test_10_a_store_that_goes_away_fails_the_shard_once_for_all_its_images(night, faulty):
    _, uri, world = night
    path = plan(settings_of(input=uri, store_patience_s=PATIENCE_S), world.home, PINNED, world.attempt())["plan"]
    faulty(errors=1)
    began = time.monotonic()
    with pytest.raises(ObjectUnavailable, match="cannot read s3://pictures"):
        caption_shard(path, 0, world.load)
    assert time.monotonic() - began < PATIENCE_S + 3
    assert not world.home.captions.exists()
    assert not list((world.folder()).glob("parts/*"))


def test_10_bodies_that_drip_are_given_up_in_time(night, faulty):
    _, uri, world = night
    put(open_folder(uri), "big.jpg", bytes(2_000_000))
    path = plan(settings_of(input=uri, store_patience_s=PATIENCE_S), world.home, PINNED, world.attempt())["plan"]
    faulty(bytes_per_s=20_000)
    began = time.monotonic()
    with pytest.raises(ObjectUnavailable, match="too slowly"):
        caption_shard(path, 0, world.load)
    assert time.monotonic() - began < 2 * PATIENCE_S


def test_10_what_is_written_in_parts_arrives_whole_through_faults(night, faulty):
    _, uri, _ = night
    data = os.urandom(2 * PART_BYTES + 1)
    faults = faulty(errors=0.2, throttles=0.1)
    folder = open_folder(uri, patience_s=60)
    put(folder, "parts.bin", data)
    put(folder, "file.bin", data[::-1])
    assert faults.struck
    assert (folder.get("parts.bin"), folder.get("file.bin")) == (data, data[::-1])
    sent = [boto3.client("s3").head_object(**where(uri, name)) for name in ("parts.bin", "file.bin")]
    assert [each["ETag"].strip('"').partition("-")[2] for each in sent] == ["3", "3"]


def test_10_of_what_cannot_be_written_no_part_stays(night, faulty):
    store, uri, _ = night
    faulty(errors=1, only="partNumber=3")
    with pytest.raises(ObjectUnavailable, match="cannot write"):
        put(open_folder(uri, PATIENCE_S), "parts.bin", bytes(2 * PART_BYTES + 1))
    client, asked = boto3.client("s3", endpoint_url=store.endpoint), where(uri, "parts.bin")
    assert open_folder(uri).get("parts.bin") is None
    assert "Uploads" not in client.list_multipart_uploads(Bucket=asked["Bucket"])


def test_11_what_is_changed_or_deleted_after_the_listing_is_source_changed(night):
    _, uri, world = night
    path = plan(settings_of(input=uri), world.home, PINNED, world.attempt())["plan"]
    folder = open_folder(uri)
    put(folder, "001.jpg", image("white", (99, 99)))
    folder.delete("002.jpg")
    put(folder, "003.jpg", image((3, 6, 99)))  # the same bytes are the same object
    counts = caption_shard(path, 0, world.load)
    assert (counts["captioned"], counts["reasons"]) == (38, {"source_changed": 2})
    world.night(input=uri)
    assert world.night("n2", input=uri).captioned == 1


def test_21_2_an_object_with_a_customers_key_is_quarantined_and_comes_again_by_a_replay(night):
    store, uri, world = night
    client, key = store.client(), {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": "k" * 32}
    client.put_object(**where(uri, "000.jpg"), Body=image("white"), **key)
    summary = world.night(input=uri)
    assert (summary.captioned, summary.reasons) == (39, {"unavailable": 1})
    again = world.night("n2", input=uri, replay_reasons=["unavailable"])
    assert again.reasons == {"unavailable": 1}
    client.put_object(**where(uri, "000.jpg"), Body=image("white"))
    assert world.night("n3", input=uri, replay_reasons=["unavailable"]).captioned == 1  # this store's etag is the same


@pytest.mark.parametrize("wrong", [{"AWS_SECRET_ACCESS_KEY": "canary-secret"}, {"AWS_ACCESS_KEY_ID": "canary-key"}])
def test_wrong_credentials_are_told_at_once_in_one_line_without_them(night, monkeypatch, wrong):
    store, uri, world = night
    for name, value in wrong.items():
        monkeypatch.setenv(name, value)
    began = time.monotonic()
    with pytest.raises(SettingsError, match="check the AWS credentials") as caught:
        world.night(input=uri)
    assert time.monotonic() - began < 5
    assert "\n" not in str(caught.value)
    assert not [said for said in (*wrong.values(), store.secret_key, store.access_key) if said in str(caught.value)]
    assert not world.folder().exists()


def test_credentials_that_are_revoked_fail_the_shard_and_quarantine_nothing(night, monkeypatch):
    _, uri, world = night
    path = plan(settings_of(input=uri), world.home, PINNED, world.attempt())["plan"]
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "revoked")
    with pytest.raises(SettingsError, match="SignatureDoesNotMatch"):
        caption_shard(path, 0, world.load)


def test_no_such_bucket(night):
    _, _, world = night
    world.home = replace(world.home, roots=("s3://nowhere",))
    with pytest.raises(NightcapError, match="no such bucket"):
        world.night(input="s3://nowhere/in")
