"""The frozen image network: pixels to a grid of features."""

from __future__ import annotations

import hashlib
import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import keras
from keras import ops

from pipeline.core.errors import ObjectUnavailable, SettingsError
from pipeline.core.settings import EncoderName
from pipeline.storage.files import sha256_file

IMAGENET = "imagenet"


@dataclass(frozen=True)
class Architecture:
    """The facts of an encoder."""

    side: int  # pixels of its square input, by custom; `build_encoder` takes others
    positions: int  # cells of its output grid at that side
    channels: int  # features a cell
    module: str = ""  # the `keras.applications` module that holds its `preprocess_input`, if it is one
    function: str = ""  # the constructor's name in that module


ARCHITECTURES: dict[EncoderName, Architecture] = {
    "scenes": Architecture(112, 49, 128),
    "inception_resnet_v2": Architecture(299, 64, 1536, "inception_resnet_v2", "InceptionResNetV2"),
    "resnet50": Architecture(224, 49, 2048, "resnet50", "ResNet50"),
    "mobilenet": Architecture(224, 49, 1024, "mobilenet", "MobileNet"),
    "xception": Architecture(299, 100, 2048, "xception", "Xception"),
}


def architecture(name: str) -> Architecture:
    """The facts of an encoder at its own side."""
    if name not in ARCHITECTURES:
        raise SettingsError(f"unknown encoder {name!r}; known encoders: {', '.join(ARCHITECTURES)}")
    return ARCHITECTURES[name]


class Encoder(keras.Model):  # type: ignore[misc]
    """Pixels uint8 [n, side, side, 3] in 0..255 to features float [n, positions, channels]; never trained further."""

    def __init__(self, name: str, backbone: keras.Model) -> None:
        super().__init__(name=f"encoder_{name}", trainable=False)
        self.architecture = name
        _, rows, columns, _ = backbone.output_shape
        self.facts = replace(architecture(name), side=backbone.input_shape[1], positions=rows * columns)
        self.backbone = backbone

    def call(self, pixels: Any) -> Any:
        """Features of a batch; see the class for shapes."""
        values = ops.cast(pixels, self.compute_dtype)
        if self.facts.module:
            values = getattr(keras.applications, self.facts.module).preprocess_input(values)  # each network has its own
        else:
            values = values / 127.5 - 1.0
        grid = self.backbone(values, training=False)  # [n, rows, columns, channels]
        return ops.reshape(grid, (-1, self.facts.positions, self.facts.channels))


def build_encoder(name: str, weights: str | Path | None, side: int | None = None) -> Encoder:
    """An encoder of so many pixels a side, else its own, with weights: `imagenet`, a file, or None for random ones."""
    facts = architecture(name)
    facts = replace(facts, side=side or facts.side)
    backbone = scenes_backbone(facts) if name == "scenes" else _application(facts, weights == IMAGENET)
    for index, layer in enumerate(backbone.layers):
        layer.name = f"layer_{index}"  # Keras counts through the process, and its names would end up in digests
    encoder = Encoder(name, backbone)
    encoder.build((None, facts.side, facts.side, 3))
    if weights not in (None, IMAGENET):
        _load(backbone, Path(str(weights)), name)
    return encoder


def weights_digest(name: str, weights: str, expected: str | None) -> str:
    """The identity of the weights: the file's SHA-256, which must be the expected one, or Keras' name of its download."""
    if weights == IMAGENET:
        return f"keras-applications-{name}-imagenet"
    if not Path(weights).is_file():
        raise SettingsError(f"encoder.weights: no file at {weights!r}; give 'imagenet' or the path of a weights file")
    digest = sha256_file(Path(weights))
    if expected is not None and digest != expected:
        raise SettingsError(
            f"encoder.weights: {weights} has another SHA-256 than encoder.weights_sha256, {expected}; compare sha256sum's"
        )
    return digest


def weights_sha256(network: Any) -> str:
    """SHA-256 over an encoder's weights, in order, as float32: independent of their file."""
    digest = hashlib.sha256()
    for weight in network.weights:
        values = weight.numpy().astype("<f4")
        digest.update(f"{values.shape}".encode() + values.tobytes())
    return digest.hexdigest()


def scenes_backbone(facts: Architecture) -> keras.Model:
    """A small convolutional network for the built-in scenes: [n, 112, 112, 3] to [n, 7, 7, 128]."""
    x = inputs = keras.Input((facts.side, facts.side, 3))
    # The two convolutions without a stride let each cell see 79 pixels, as much as the largest object.
    for filters, strides in ((24, 2), (48, 2), (64, 2), (64, 1), (96, 2), (facts.channels, 1)):
        x = keras.layers.Conv2D(filters, 3, strides, padding="same", use_bias=False)(x)
        x = keras.layers.BatchNormalization(momentum=0.9)(x)
        x = keras.layers.Activation("relu")(x)
    return keras.Model(inputs, x, name="scenes_backbone")


def _application(facts: Architecture, imagenet: bool) -> keras.Model:
    construct = getattr(getattr(keras.applications, facts.module), facts.function)
    shape = (facts.side, facts.side, 3)
    if not imagenet:
        return construct(include_top=False, weights=None, input_shape=shape)
    try:
        return construct(include_top=False, weights=IMAGENET, input_shape=shape)
    except Exception as error:  # Keras raises no narrower one when a download fails
        reason = " ".join(str(error).split())[:200]
        raise ObjectUnavailable(
            f"encoder.weights=imagenet: {reason}; connect to the network or give a weights file's path"
        ) from error


def _load(backbone: keras.Model, path: Path, name: str) -> None:
    try:
        with warnings.catch_warnings(action="ignore"):  # the error below says it in one line
            backbone.load_weights(path)
    except (OSError, ValueError, KeyError) as error:
        reason = " ".join(str(error).split())[:200]
        raise SettingsError(f"encoder.weights: {path} does not hold weights of {name} without top: {reason}") from error
