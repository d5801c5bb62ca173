"""Trained networks as graphs of constants, which TensorFlow computes faster than the layers they were made of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from pipeline.model.network.encoder import Encoder
from pipeline.model.network.generation import Generator
from pipeline.model.network.teacher_forcing import TeacherForcedScorer

_CONVOLUTIONS = (layers.Conv2D, layers.DepthwiseConv2D, layers.SeparableConv2D)


class FrozenGraph:
    """A function of tensors with its weights as they are now; see `keras.Model.predict_on_batch`."""

    def __init__(self, call: Callable[..., Any], *inputs: tf.TensorSpec) -> None:
        traced = tf.function(call).get_concrete_function(*inputs)
        self._structure = traced.structured_outputs
        self._constant = convert_variables_to_constants_v2(traced)

    @property
    def graph(self) -> tf.Graph:
        """The graph itself, for other engines to read."""
        return self._constant.graph

    def predict_on_batch(self, inputs: Any) -> Any:
        """Arrays for arrays, in the form that the function gives them."""
        given = inputs if isinstance(inputs, tuple) else (inputs,)
        arrays = [tensor.numpy() for tensor in self._constant(*(tf.constant(each) for each in given))]
        return tf.nest.pack_sequence_as(self._structure, arrays)


class FrozenEncoder(FrozenGraph):
    """An encoder for batches of one size: pixels uint8 [batch, side, side, 3] to float32 features."""

    def __init__(self, encoder: Encoder, batch: int) -> None:
        self.facts = encoder.facts
        folded = Encoder(encoder.architecture, without_batch_normalisation(encoder.backbone))
        super().__init__(folded, tf.TensorSpec((batch, self.facts.side, self.facts.side, 3), tf.uint8))


def frozen_writer(generator: Generator, scorer: TeacherForcedScorer, batch: int) -> FrozenGraph:
    """Features float32 [batch, positions, channels] to tokens and scores, and to the first caption's log-probabilities
    and entropies; see `GeneratedCaptions` and `CaptionScores`. TensorFlow computes once what both need of the image.
    """

    def write(features: Any) -> tuple[Any, ...]:
        captions = generator(features)
        first = scorer((features, captions.tokens[:, 0]))
        return captions.tokens, captions.scores, first.log_probabilities, first.entropy

    decoder = generator.decoder
    return FrozenGraph(write, tf.TensorSpec((batch, decoder.positions, decoder.channels), tf.float32))


def without_batch_normalisation(backbone: keras.Model) -> keras.Model:
    """The same function with each batch normalisation, where a convolution alone goes before, folded into that one.

    Trained statistics are constants, so that what follows a convolution is another kernel and another bias
    (Jacob et al., CVPR 2018, 3.2).
    """
    folded = {before.name: layer for layer in backbone.layers if (before := _convolution_before(layer)) is not None}
    left_out = {layer.name for layer in folded.values()}

    def again(layer: Any) -> Any:
        bias = {"use_bias": True} if layer.name in folded else {}
        return type(layer).from_config(layer.get_config() | bias)

    def follow(layer: Any, *inputs: Any, **options: Any) -> Any:
        return inputs[0] if layer.name in left_out else layer(*inputs, **options)

    other = keras.models.clone_model(backbone, clone_function=again, call_function=follow)
    for layer in backbone.layers:
        if layer.weights and layer.name not in left_out:
            weights = layer.get_weights()
            if normalisation := folded.get(layer.name):
                weights = _with(normalisation, layer, weights)
            other.get_layer(layer.name).set_weights(weights)
    return other


def _convolution_before(layer: Any) -> Any:
    """The linear convolution whose output a batch normalisation alone reads, or None."""
    if not isinstance(layer, layers.BatchNormalization):
        return None
    before = layer.input._keras_history.operation
    linear = isinstance(before, _CONVOLUTIONS) and before.activation is keras.activations.linear
    return before if linear and len(before._outbound_nodes) == 1 else None


def _with(normalisation: Any, convolution: Any, weights: list[Any]) -> list[Any]:
    """The weights of a convolution that normalises what it gives: kernels, then a bias."""
    mean, variance = (
        np.asarray(each, np.float64) for each in (normalisation.moving_mean, normalisation.moving_variance)
    )
    gain = 1 / np.sqrt(variance + normalisation.epsilon)  # [channels]
    if normalisation.scale:
        gain = gain * np.asarray(normalisation.gamma)
    shift = np.asarray(normalisation.beta) if normalisation.center else 0.0
    *kernels, bias = weights if convolution.use_bias else (*weights, 0.0)
    depthwise = type(convolution) is layers.DepthwiseConv2D
    kernels[-1] = kernels[-1] * (gain.reshape(kernels[-1].shape[2:]) if depthwise else gain)
    return [*kernels, (bias - mean) * gain + shift]
