import re
from typing import get_args

import numpy as np
import pytest

from pipeline.core.errors import ObjectUnavailable, SettingsError
from pipeline.core.settings import EncoderName

MOBILENET = "mobilenet_1_0_224_notop.weights.h5"
RESNET = "resnet50_notop.weights.h5"
MEAN_BGR = np.array([103.939, 116.779, 123.68], "float32")

EXPECTED = {
    "scenes": lambda pixels: pixels / 127.5 - 1,
    "mobilenet": lambda pixels: pixels / 127.5 - 1,
    "xception": lambda pixels: pixels / 127.5 - 1,
    "inception_resnet_v2": lambda pixels: pixels / 127.5 - 1,
    "resnet50": lambda pixels: pixels[..., ::-1] - MEAN_BGR,
}


@pytest.fixture(scope="module")
def networks():
    """The module, imported only now because Keras comes with it."""
    from pipeline.model.network import encoder

    return encoder


def images(side, count=2, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, side, side, 3), np.uint8)


def showing(networks, name):
    """An encoder whose backbone shows the first pixels it is given: features [n, positions, 3 and zeros]."""
    import keras

    facts = networks.architecture(name)
    inputs = keras.Input((facts.side, facts.side, 3))
    rows = round(facts.positions**0.5)
    corner = keras.layers.Cropping2D(((0, facts.side - rows), (0, facts.side - rows)))(inputs)
    channels = keras.layers.Dense(facts.channels, use_bias=False, kernel_initializer=keras.initializers.Identity())
    return networks.Encoder(name, keras.Model(inputs, channels(corner))), rows


@pytest.mark.parametrize("name", get_args(EncoderName))
def test_each_network_gets_the_pixels_its_own_preprocessing_makes(networks, name):
    encoder, rows = showing(networks, name)
    pixels = images(encoder.facts.side)
    features = np.asarray(encoder.predict_on_batch(pixels))
    assert features.shape == (2, encoder.facts.positions, encoder.facts.channels)
    projected = features[..., :3].reshape(2, rows, rows, 3)
    values = pixels.astype("float32")[:, :rows, :rows]
    np.testing.assert_allclose(projected, EXPECTED[name](values), atol=1e-4)
    if name != "scenes":
        import keras

        own = getattr(keras.applications, encoder.facts.module).preprocess_input(values.copy())
        np.testing.assert_allclose(projected, own, atol=1e-4)


def test_known_encoders_are_those_of_the_settings(networks):
    assert set(networks.ARCHITECTURES) == set(get_args(EncoderName))
    with pytest.raises(SettingsError, match="unknown encoder 'vgg16'; known encoders: scenes, inception_resnet_v2"):
        networks.architecture("vgg16")


@pytest.mark.parametrize("name", ["scenes", "mobilenet"])
def test_a_built_network_has_the_shape_its_facts_say(networks, name):
    encoder = networks.build_encoder(name, None)
    facts = networks.architecture(name)
    features = np.asarray(encoder.predict_on_batch(images(facts.side)))
    assert features.shape == (2, facts.positions, facts.channels)
    assert features.std() > 0
    assert encoder.trainable_variables == []
    assert (features[0] != features[1]).any()


def test_a_network_may_take_larger_images(networks):
    encoder = networks.build_encoder("mobilenet", None, side=320)
    assert (encoder.facts.side, encoder.facts.positions, encoder.facts.channels) == (320, 100, 1024)
    assert np.asarray(encoder.predict_on_batch(images(320))).shape == (2, 100, 1024)


@pytest.mark.parametrize("name", ["inception_resnet_v2", "resnet50", "xception"])
def test_the_facts_of_big_networks_are_keras_own(networks, name):
    import keras

    facts = networks.architecture(name)
    construct = getattr(getattr(keras.applications, facts.module), facts.function)
    network = construct(include_top=False, weights=None, input_shape=(facts.side, facts.side, 3))
    _, rows, columns, channels = network.output.shape
    assert (rows * columns, channels) == (facts.positions, facts.channels)
    assert facts.side == (224 if name == "resnet50" else 299)


def test_a_cell_s_features_are_those_of_its_place(networks):
    encoder = networks.build_encoder("scenes", None)
    image = np.zeros((1, 112, 112, 3), np.uint8)
    changed = image.copy()
    changed[:, 100:, 100:] = 255  # the last of 7 x 7 cells
    difference = np.abs(np.asarray(encoder(changed)) - np.asarray(encoder(image))).max(axis=(0, 2)).reshape(7, 7)
    assert difference[6, 6] > 0
    assert difference[0, 0] == 0
    assert difference[0, 6] == 0


def test_weights_come_back_from_a_file(networks, tmp_path):
    encoder, other = networks.build_encoder("scenes", None), networks.build_encoder("scenes", None)
    pixels = images(112)
    assert np.abs(np.asarray(encoder(pixels)) - np.asarray(other(pixels))).max() > 1e-3
    encoder.backbone.save_weights(tmp_path / "e.weights.h5")
    np.testing.assert_array_equal(networks.build_encoder("scenes", tmp_path / "e.weights.h5")(pixels), encoder(pixels))


@pytest.mark.parametrize("name", ["scenes", "xception"])
def test_the_same_weights_are_the_same_file_whatever_was_built_before(networks, name, tmp_path):
    import keras

    files = [tmp_path / "one.weights.h5", tmp_path / "other.weights.h5"]
    for file in files:
        keras.utils.set_random_seed(4)
        networks.build_encoder(name, None).backbone.save_weights(file)
    assert files[0].read_bytes() == files[1].read_bytes()


@pytest.mark.parametrize("kind", ["text", "cut", "of another network", "wrong suffix", "a folder"])
def test_a_wrong_weights_file_is_one_line_with_its_path(networks, kind, tmp_path, recwarn):
    import keras

    path = tmp_path / ("weights.txt" if kind == "wrong suffix" else "w.weights.h5")
    if kind == "a folder":
        path.mkdir()
    elif kind in ("text", "wrong suffix"):
        path.write_text("no weights")
    else:
        network = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
        network.save_weights(path)
        path.write_bytes(path.read_bytes()[: 100 if kind == "cut" else None])
    recwarn.clear()
    with pytest.raises(SettingsError) as caught:
        networks.build_encoder("scenes", path)
    message = str(caught.value)
    assert message.startswith(f"encoder.weights: {path} does not hold weights of scenes without top: ")
    assert "\n" not in message
    assert len(recwarn) == 0


def test_weights_that_cannot_be_downloaded_may_come_later(networks, monkeypatch, tmp_path):
    import keras

    monkeypatch.setenv("https_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setattr(keras.src.utils.file_utils.config, "keras_home", lambda: str(tmp_path))
    with pytest.raises(
        ObjectUnavailable, match=r"^encoder\.weights=imagenet: .*mobilenet.* give a weights file's path$"
    ):
        networks.build_encoder("mobilenet", "imagenet")


def test_the_digest_names_the_weights(networks, tmp_path):
    path = tmp_path / "w.weights.h5"
    path.write_bytes(b"")
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert networks.weights_digest("mobilenet", str(path), None) == empty
    assert networks.weights_digest("mobilenet", str(path), empty) == empty
    with pytest.raises(SettingsError, match=re.escape(f"{path} has another SHA-256 than encoder")) as caught:
        networks.weights_digest("mobilenet", str(path), "0" * 64)
    assert empty not in str(caught.value)  # whoever fills a form learns no digest of a file
    assert networks.weights_digest("mobilenet", "imagenet", None) != networks.weights_digest(
        "resnet50", "imagenet", None
    )


@pytest.mark.parametrize("weights", ["", "image-net", "/no/such/file"])
def test_weights_that_are_not_there_are_refused_with_what_is_allowed(networks, weights):
    with pytest.raises(SettingsError, match=r"no file at .* give 'imagenet' or the path") as caught:
        networks.weights_digest("mobilenet", weights, None)
    assert repr(weights) in str(caught.value)


@pytest.mark.parametrize(
    ("name", "file", "function"), [("mobilenet", MOBILENET, "MobileNet"), ("resnet50", RESNET, "ResNet50")]
)
def test_published_weights_give_what_keras_gives(networks, shared_data, name, file, function):
    import keras

    path = shared_data / "weights" / file
    listed = dict(
        reversed(line.split(maxsplit=1)) for line in (shared_data / "weights" / "SHA256.txt").read_text().splitlines()
    )
    assert networks.weights_digest(name, str(path), listed[file]) == listed[file]
    network = getattr(keras.applications, function)(include_top=False, weights=None, input_shape=(224, 224, 3))
    network.load_weights(path)
    pixels = images(224, 1)
    own = getattr(keras.applications, name).preprocess_input(pixels.astype("float32"))
    expected = np.asarray(network(own, training=False)).reshape(1, 49, -1)
    np.testing.assert_allclose(np.asarray(networks.build_encoder(name, path)(pixels)), expected, atol=1e-4)
    assert expected.std() > 0.1


def test_weights_of_another_published_network_are_refused(networks, shared_data):
    with pytest.raises(SettingsError, match="does not hold weights of mobilenet without top"):
        networks.build_encoder("mobilenet", shared_data / "weights" / RESNET)
