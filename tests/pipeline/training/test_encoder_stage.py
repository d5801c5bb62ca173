from dataclasses import replace

import keras
import numpy as np
import pytest

from pipeline.core.environment import Home
from pipeline.core.errors import DatasetRejected, SettingsError
from pipeline.core.settings import EncoderSettings, TrainSettings
from pipeline.data.snapshot import Snapshot
from pipeline.model.int8_encoder import Int8Encoder
from pipeline.model.network.encoder import build_encoder, weights_sha256
from pipeline.storage.files import read_json, sha256_file, write_json
from pipeline.training.encoder_stage import (
    ENCODER_WEIGHTS,
    load_encoder,
    load_frozen_encoder,
    provide_encoder,
    train_scenes_encoder,
)
from pipeline.training.features import features_folder
from pipeline.training.run import TrainingRun


def run_with(tmp_path, **encoder):
    return TrainingRun(TrainSettings(encoder=EncoderSettings(**encoder)), Home(tmp_path, tmp_path / "store", ""))


@pytest.fixture
def weights(tmp_path):
    """A file; naming it does not need it to be whole."""
    path = tmp_path / "w.weights.h5"
    path.write_bytes(b"weights")
    return path


def test_weights_are_named_by_place_and_digest(tmp_path, weights):
    run = run_with(tmp_path, name="mobilenet", weights=str(weights), weights_sha256=sha256_file(weights))
    output = provide_encoder(run)
    facts = read_json(output.path / "encoder.json")
    assert facts == {"name": "mobilenet", "weights": str(weights), "digest": sha256_file(weights)}
    weights.write_bytes(b"other weights")
    other = provide_encoder(run_with(tmp_path, name="mobilenet", weights=str(weights)))
    assert other.digest != output.digest


def test_a_side_of_its_own_is_another_encoder(tmp_path, weights):
    usual, larger = (
        provide_encoder(run_with(tmp_path, name="mobilenet", weights=str(weights), side=side)) for side in (None, 320)
    )
    assert usual.digest != larger.digest
    assert read_json(larger.path / "encoder.json")["side"] == 320


def test_weights_with_another_digest_are_refused_in_one_line(tmp_path, weights):
    with pytest.raises(SettingsError, match=r"another SHA-256 than encoder\.weights_sha256, 0{64}; .*") as raised:
        provide_encoder(run_with(tmp_path, name="mobilenet", weights=str(weights), weights_sha256="0" * 64))
    assert sha256_file(weights) not in str(raised.value)  # a form would tell the hash of any readable file
    assert "\n" not in str(raised.value)
    assert not (tmp_path / "store").exists()


def test_missing_weights_are_refused_before_anything_is_done(tmp_path):
    with pytest.raises(SettingsError, match="no file at '/no/weights'"):
        provide_encoder(run_with(tmp_path, name="resnet50", weights="/no/weights"))


def test_weights_that_turn_out_wrong_when_loaded_are_a_settings_error(tmp_path, weights):
    output = provide_encoder(run_with(tmp_path, name="mobilenet", weights=str(weights)))
    with pytest.raises(SettingsError, match="does not hold weights of mobilenet without top"):
        load_encoder(output)


def test_a_weights_file_that_changes_while_a_training_runs_is_refused(tmp_path):
    weights = tmp_path / "w.weights.h5"
    for seed in (1, 0):
        keras.utils.set_random_seed(seed)
        build_encoder("mobilenet", None).backbone.save_weights(weights)
        if seed:
            output = provide_encoder(run_with(tmp_path, name="mobilenet", weights=str(weights)))
            load_encoder(output)
    with pytest.raises(
        SettingsError, match=f"encoder.weights: {weights} has changed since .* start the training again"
    ):
        load_encoder(output)


def test_weights_that_are_others_only_while_they_load_are_not_used(tmp_path, monkeypatch):
    weights, other = tmp_path / "w.weights.h5", tmp_path / "other.weights.h5"
    for seed, file in enumerate((weights, other)):
        keras.utils.set_random_seed(seed)
        build_encoder("mobilenet", None).backbone.save_weights(file)
    output = provide_encoder(run_with(tmp_path, name="mobilenet", weights=str(weights)))
    wanted, former = weights_sha256(load_encoder(output)), weights.read_bytes()

    def swapped(*args):
        weights.write_bytes(other.read_bytes())
        try:
            return build_encoder(*args)
        finally:
            weights.write_bytes(former)

    monkeypatch.setattr("pipeline.training.encoder_stage.build_encoder", swapped)
    assert weights_sha256(load_encoder(output)) == wanted


def test_weights_of_keras_are_known_by_their_values(tmp_path, monkeypatch, caplog):
    drawn = keras.applications.mobilenet.MobileNet

    def keras_gives(seed):
        """Stands for the download: the same network with other values."""

        def construct(include_top, weights, input_shape):
            assert weights == "imagenet"
            keras.utils.set_random_seed(seed)
            return drawn(include_top=include_top, weights=None, input_shape=input_shape)

        monkeypatch.setattr(keras.applications.mobilenet, "MobileNet", construct)

    caplog.set_level("INFO")
    run = run_with(tmp_path, name="mobilenet", weights="imagenet", side=96)
    keras_gives(0)
    output = provide_encoder(run)
    facts = read_json(output.path / "encoder.json")
    assert facts["values_sha256"] == weights_sha256(load_encoder(output))
    keras_gives(1)
    caplog.clear()
    assert provide_encoder(run_with(tmp_path, name="mobilenet", weights="imagenet", side=96)) == output
    assert f"SHA-256 {facts['values_sha256']}, which encoder.weights_sha256 can pin" in caplog.text
    with pytest.raises(SettingsError, match=f"Keras' weights of mobilenet are not those of {output.path}; remove"):
        load_encoder(output)
    write_json(output.path / "encoder.json", {name: facts[name] for name in facts if name != "values_sha256"})
    load_encoder(output)  # as an earlier version wrote it
    other = weights_sha256(build_encoder("mobilenet", "imagenet"))
    pinned = provide_encoder(
        run_with(tmp_path, name="mobilenet", weights="imagenet", side=96, weights_sha256=other)
    )  # what is kept does not count, whether it says its values or not
    assert read_json(pinned.path / "encoder.json") == facts | {"values_sha256": other}


@pytest.mark.parametrize("seed", [0, 1])
def test_20_13_weights_of_keras_can_be_pinned_by_their_values(tmp_path, monkeypatch, caplog, seed):
    """At the first download as well as later, with the digest that an earlier training's log says."""
    drawn = keras.applications.mobilenet.MobileNet

    def download(include_top, weights, input_shape):
        keras.utils.set_random_seed(seed)
        return drawn(include_top=include_top, weights=None, input_shape=input_shape)

    monkeypatch.setattr(keras.applications.mobilenet, "MobileNet", download)
    caplog.set_level("INFO")
    settings = {"name": "mobilenet", "weights": "imagenet", "side": 96}
    output = provide_encoder(run_with(tmp_path / "earlier", **settings))
    told = read_json(output.path / "encoder.json")["values_sha256"]
    assert f"SHA-256 {told}, which encoder.weights_sha256 can pin" in caplog.text
    for place in ("earlier", "first"):
        pinned = run_with(tmp_path / place, **settings, weights_sha256=told)
        assert read_json(provide_encoder(pinned).path / "encoder.json")["values_sha256"] == told
    for place in ("earlier", "third"):
        other = run_with(tmp_path / place, **settings, weights_sha256="0" * 64)
        with pytest.raises(SettingsError, match=rf"{told}, not encoder.weights_sha256, 0000"):
            provide_encoder(other)
    assert not list((tmp_path / "third").rglob("encoder.json"))


def test_an_encoder_of_8_bits_is_another_encoder_of_the_same_weights(tiny_run, tmp_path):
    pytest.importorskip("nncf")
    keras.utils.set_random_seed(0)
    file = tmp_path / "w.weights.h5"
    build_encoder("mobilenet", None, 96).backbone.save_weights(file)
    outputs = []
    for engine in ("tensorflow", "int8"):
        encoder = EncoderSettings(name="mobilenet", weights=str(file), side=96, engine=engine)
        settings = tiny_run.settings.model_copy(update={"encoder": encoder})
        outputs.append(provide_encoder(replace(tiny_run, settings=settings)))
    usual, int8 = outputs
    facts = [read_json(output.path / "encoder.json") for output in outputs]
    assert int8.digest != usual.digest
    assert len({features_folder(tmp_path, each, "squash") for each in facts}) == 2
    assert weights_sha256(load_encoder(int8)) == weights_sha256(load_encoder(usual))
    image = np.full((1, 96, 96, 3), 200, np.uint8)
    encoder = load_frozen_encoder(int8, 1)
    assert isinstance(encoder, Int8Encoder)
    assert encoder.facts == load_frozen_encoder(usual, 1).facts
    assert encoder.predict_on_batch(image).shape == (1, 9, 1024)


def test_the_scenes_encoder_learns_and_is_kept_by_its_digest(tiny_run):
    output = tiny_run.output("encoder")
    facts = read_json(output.path / "encoder.json")
    assert facts == {"name": "scenes", "weights": ENCODER_WEIGHTS, "digest": sha256_file(output.path / ENCODER_WEIGHTS)}
    figures = output.figures()
    labels = tiny_run.accepted.objects_of("train")["label"]
    assert figures["words"] == sorted({word for label in labels for word in label.split()})
    assert len(figures["loss"]) == len(figures["val_loss"]) == 1
    network = load_encoder(output)
    assert network.trainable_variables == []


def test_the_scenes_encoder_comes_out_the_same_each_time(tiny_run, tmp_path):
    network, figures = train_scenes_encoder(tiny_run)
    network.backbone.save_weights(tmp_path / ENCODER_WEIGHTS)
    assert figures == tiny_run.output("encoder").figures()
    assert sha256_file(tmp_path / ENCODER_WEIGHTS) == sha256_file(tiny_run.output("encoder").path / ENCODER_WEIGHTS)
    assert network.trainable_variables == []


def test_the_scenes_encoder_needs_known_objects(tiny_run):
    run = TrainingRun(tiny_run.settings, tiny_run.home, tiny_run.done)
    known = run.accepted
    vars(run)["accepted"] = Snapshot(known.images, known.captions, known.objects.head(0))
    with pytest.raises(DatasetRejected, match="learns from known objects, and this source has none"):
        train_scenes_encoder(run)
