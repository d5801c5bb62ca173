"""Canary credentials: whoever trains, registers and captions with them, nothing that is kept or shown has them."""

import pytest

from nightcap.cli import main
from pipeline.core.environment import Home
from pipeline.core.errors import NightcapError, RegistryUnavailable
from pipeline.core.settings import EncoderSettings, TrainSettings, ValidationSettings
from pipeline.registry.versions import Registry
from pipeline.storage.objects import S3Folder
from pipeline.training.features import extract_shard
from pipeline.training.run import TrainingRun
from pipeline.training_pipeline import run_stage, run_until
from tests.canaries import CANARY, carried, holding, listening
from tests.pipeline.conftest import Dataset
from tests.s3_objects import put
from tests.serving.night_world import World, image


@pytest.fixture
def canaries():
    with carried():
        yield


@pytest.fixture
def heard():
    with listening() as told:
        yield told


def test_24_a_training_from_its_snapshot_to_its_promotion(tiny_training):
    """It was trained with the credentials in its environment, those of the process of its trial among them."""
    assert "train: epoch 1 of 1" in tiny_training.heard
    assert "gate: captioner version 1: " in tiny_training.heard
    assert CANARY not in tiny_training.heard
    assert '"promoted": true' in tiny_training.handed_on
    assert CANARY not in tiny_training.handed_on
    assert not holding(tiny_training.run.home.root)


def test_24_a_night_its_table_its_pages_and_its_logs(tmp_path, canaries, heard):
    world = World.within(tmp_path)
    world.fill(5)
    world.put("cut.jpg", image((1, 2, 3))[:60])
    world.night(output=str(tmp_path / "out"), write_csv=True, accept_quarantine=True)
    assert not holding(tmp_path)
    assert CANARY not in heard.getvalue()


@pytest.mark.parametrize(
    "arguments",
    [
        ["train", "--set", f"source.images=s3://id:{CANARY}@bucket/images"],
        ["train", "--set", f"encoder.weights=https://example.org/w.h5?token={CANARY}"],
        ["night", "--input", f"s3://id:{CANARY}@bucket/images"],
        ["caption", f"s3://id:{CANARY}@bucket/images"],
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
def test_24_a_training_on_images_of_a_store_with_real_keys(s3, tmp_path, heard):
    """Up to the features; what comes after them reads only the images of the test split, in the same way."""
    from pipeline.model.network.encoder import build_encoder

    store, uri = s3
    dataset = Dataset(tmp_path)
    for split, first in (("train", 0), ("val", 100), ("test", 200)):
        dataset.fill(6, split, first)
    folder = S3Folder(uri)
    for path in dataset.images.iterdir():
        put(folder, path.name, path.read_bytes())
    weights = tmp_path / "encoder.weights.h5"
    build_encoder("mobilenet", None, 96).backbone.save_weights(weights)
    settings = TrainSettings(
        source=dataset.settings().model_copy(update={"images": uri}),
        validation=ValidationSettings(min_images=3),
        encoder=EncoderSettings(name="mobilenet", weights=str(weights), side=96, shards=1),
    )
    run = TrainingRun(settings, Home(tmp_path, tmp_path / "store", ""))
    run = run_until("provide_encoder", run)
    assert extract_shard(run, 0) == {"images": 18, "extracted": 18}
    assert run_stage("extract_features", run).output("extract_features").figures()["images"] == 18
    assert store.secret_key not in heard.getvalue()
    assert not holding(tmp_path, store.secret_key)


@pytest.mark.integration
def test_24_a_night_from_a_store_with_real_keys_and_with_wrong_ones(s3, tmp_path, heard, monkeypatch):
    store, uri = s3
    world = World(Home(tmp_path, tmp_path / "store", f"sqlite:///{tmp_path / 'mlflow.db'}", roots=("s3://pictures",)))
    folder = S3Folder(uri)
    for number in range(5):
        put(folder, f"{number}.jpg", image((number, 2, 3)))
    world.night(input=uri)
    assert not holding(tmp_path, store.secret_key)
    assert store.secret_key not in heard.getvalue()
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", CANARY)
    with pytest.raises(NightcapError) as caught:
        world.night("n2", input=uri)
    assert CANARY not in str(caught.value)
    assert CANARY not in heard.getvalue()
    assert not holding(tmp_path)
