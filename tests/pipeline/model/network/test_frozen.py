import keras
import numpy as np
import pytest
import tensorflow as tf

from pipeline.core.settings import DecodingSettings
from pipeline.model.network.encoder import architecture, build_encoder
from pipeline.model.network.frozen import FrozenEncoder, FrozenGraph, frozen_writer, without_batch_normalisation
from pipeline.model.network.teacher_forcing import TeacherForcedScorer
from tests.pipeline.model.network.toy_decoder import METHODS, NAMES, decoder_of, generator_of, images

BATCH = 2


def as_if_trained(network, seed=1):
    """Statistics and gains of batch normalisation as a training leaves them: all different, none 0 or 1."""
    random = np.random.default_rng(seed)
    for layer in network.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.set_weights([random.uniform(0.5, 1.5, weight.shape) for weight in layer.get_weights()])


def normalisations(network):
    return sum(isinstance(layer, keras.layers.BatchNormalization) for layer in network.layers)


# Of networks that read another before a convolution, or a sum, one normalisation or a few stay.
@pytest.mark.parametrize(("name", "side"), [("scenes", 112), ("mobilenet", 96), ("resnet50", 96), ("xception", 96)])
def test_a_FrozenEncoder_gives_the_features_of_its_layers(name, side):
    keras.utils.set_random_seed(0)
    encoder = build_encoder(name, None, side)
    as_if_trained(encoder.backbone)
    pixels = np.random.default_rng(0).integers(0, 256, (BATCH, side, side, 3), np.uint8)
    expected = np.asarray(encoder.predict_on_batch(pixels))
    features = FrozenEncoder(encoder, BATCH).predict_on_batch(pixels)
    assert features.dtype == np.float32
    np.testing.assert_allclose(features, expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max())
    assert expected.std() > 0
    assert normalisations(encoder.backbone) > 0
    assert normalisations(without_batch_normalisation(encoder.backbone)) == 0


@pytest.mark.parametrize("convolution", ["read twice", "activated", "none"])
def test_a_normalisation_that_no_convolution_can_do_stays(convolution):
    inputs = keras.Input((8, 8, 3))
    if convolution == "none":
        before = keras.layers.MaxPooling2D()(inputs)
    else:
        before = keras.layers.Conv2D(3, 3, activation="relu" if convolution == "activated" else None)(inputs)
    outputs = keras.layers.BatchNormalization()(before)
    if convolution == "read twice":
        outputs = keras.layers.Add()([outputs, before])
    network = keras.Model(inputs, outputs)
    as_if_trained(network)
    folded = without_batch_normalisation(network)
    assert normalisations(folded) == 1
    values = np.random.default_rng(0).normal(size=(2, 8, 8, 3)).astype("float32")
    np.testing.assert_allclose(folded(values), network(values), rtol=1e-4, atol=1e-5)


def test_weights_that_change_later_leave_the_graph_as_it_is():
    encoder = build_encoder("scenes", None)
    pixels = np.full((BATCH, 112, 112, 3), 100, np.uint8)
    graph = FrozenEncoder(encoder, BATCH)
    before = graph.predict_on_batch(pixels)
    for weight in encoder.weights:
        weight.assign(weight * 0.0)
    np.testing.assert_array_equal(graph.predict_on_batch(pixels), before)
    assert before.shape == (BATCH, architecture("scenes").positions, architecture("scenes").channels)


@pytest.mark.parametrize("settings", METHODS, ids=NAMES)
def test_a_frozen_writer_writes_and_scores_as_the_layers_do(settings):
    decoder, features = decoder_of(), images(4)
    generator = generator_of(decoder, DecodingSettings(max_words=6, **settings))
    scorer = TeacherForcedScorer(decoder)
    tokens, scores, log_probabilities, entropy = frozen_writer(generator, scorer, 4).predict_on_batch(features)
    wanted = generator(features)
    np.testing.assert_array_equal(tokens, wanted.tokens)
    np.testing.assert_allclose(scores, wanted.scores, atol=1e-5)
    first = scorer((features, wanted.tokens[:, 0]))
    np.testing.assert_allclose(log_probabilities, first.log_probabilities, atol=1e-5)
    np.testing.assert_allclose(entropy, first.entropy, atol=1e-5)


def test_a_graph_gives_what_its_function_gives_in_the_same_form():
    graph = FrozenGraph(lambda a, b: (a + b, {"twice": 2 * a}), *[tf.TensorSpec((3,), tf.float32)] * 2)
    added, others = graph.predict_on_batch((np.ones(3, np.float32), np.arange(3, dtype=np.float32)))
    np.testing.assert_array_equal(added, [1, 2, 3])
    np.testing.assert_array_equal(others["twice"], [2, 2, 2])
