"""Canary credentials: whoever trains, registers and captions with them, nothing that is kept or shown has them."""

import io
import json
import logging
from dataclasses import replace

import pytest

from nightcap.cli import main
from pipeline import train_captioner as stages
from pipeline.errors import NightcapError, RegistryUnavailable
from pipeline.home import Home
from pipeline.objects import open_folder
from pipeline.registry import Registry
from tests.serving.night_world import World, picture

CANARY = "c4n4ry-5ecret"
ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": f"id-{CANARY}",
    "AWS_SECRET_ACCESS_KEY": f"key-{CANARY}",
    "AWS_SESSION_TOKEN": f"token-{CANARY}",
    "MLFLOW_TRACKING_PASSWORD": f"password-{CANARY}",
    "MLFLOW_TRACKING_TOKEN": f"bearer-{CANARY}",
}


@pytest.fixture
def canaries(monkeypatch):
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def heard():
    """All that is logged, to the last detail, by our code and by libraries."""
    told = io.StringIO()
    handler = logging.StreamHandler(told)
    root, level = logging.getLogger(), logging.getLogger().level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield told
    root.removeHandler(handler)
    root.setLevel(level)


def holding(folder, secret=CANARY):
    """The files under a folder that hold a secret."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert files
    return [path for path in files if secret.encode() in path.read_bytes()]


def test_24_a_registered_version_its_run_and_what_tasks_hand_on(tiny_run, tmp_path, canaries, heard):
    home = Home(tmp_path, tmp_path / "store", f"sqlite:///{tmp_path / 'mlflow.db'}")
    home = replace(home, store=tiny_run.home.store, journal=str(tmp_path / "promotions"))
    run, version = stages.register(replace(tiny_run, home=home))
    handed_on = json.dumps([dict(run.done), version, stages.gate(run, version["version"])])
    assert CANARY not in handed_on
    assert not holding(tmp_path)
    assert not holding(tiny_run.home.store)
    assert CANARY not in heard.getvalue()


def test_24_a_night_its_table_its_pages_and_its_logs(tmp_path, canaries, heard):
    world = World(Home(tmp_path, tmp_path / "store", f"sqlite:///{tmp_path / 'mlflow.db'}"))
    world.fill(5)
    world.put("cut.jpg", picture((1, 2, 3))[:60])
    world.night(output=str(tmp_path / "out"), write_csv=True, accept_quarantine=True)
    assert not holding(tmp_path)
    assert CANARY not in heard.getvalue()


@pytest.mark.parametrize(
    "arguments",
    [
        ["train", "--set", f"source.images=s3://id:{CANARY}@bucket/pictures"],
        ["train", "--set", f"encoder.weights=https://example.org/w.h5?token={CANARY}"],
        ["night", "--input", f"s3://id:{CANARY}@bucket/pictures"],
        ["caption", f"s3://id:{CANARY}@bucket/pictures"],
    ],
)
def test_24_an_address_with_a_password_is_refused_and_not_repeated(arguments, capsys, heard):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    told = capsys.readouterr()
    assert told.err.startswith("nightcap: ")
    assert CANARY not in told.out + told.err + heard.getvalue()


@pytest.mark.parametrize("scheme", ["http", "postgresql+psycopg2"])
def test_24_a_registry_that_does_not_answer_is_named_without_its_password(tmp_path, heard, monkeypatch, scheme):
    monkeypatch.setattr("mlflow.store.db.utils.MAX_RETRY_COUNT", 2)  # its ten tries at a database take 100 seconds
    home = Home(tmp_path, tmp_path / "store", f"{scheme}://nightcap:{CANARY}@127.0.0.1:9/mlflow")
    with pytest.raises(RegistryUnavailable) as caught:
        Registry(home)
    assert CANARY not in str(caught.value)
    assert CANARY not in heard.getvalue()


@pytest.mark.integration
def test_24_a_night_from_a_store_with_real_keys_and_with_wrong_ones(s3, tmp_path, heard, monkeypatch):
    store, uri = s3
    world = World(Home(tmp_path, tmp_path / "store", f"sqlite:///{tmp_path / 'mlflow.db'}", roots=("s3://pictures",)))
    folder = open_folder(uri)
    for number in range(5):
        folder.write(f"{number}.jpg", picture((number, 2, 3)))
    world.night(input=uri)
    assert not holding(tmp_path, store.secret_key)
    assert store.secret_key not in heard.getvalue()
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", CANARY)
    with pytest.raises(NightcapError) as caught:
        world.night("n2", input=uri)
    assert CANARY not in str(caught.value)
    assert CANARY not in heard.getvalue()
    assert not holding(tmp_path)
