"""The design that Nightcap started from, written anew: a tutorial of 2022 with a frozen network, a GRU and attention."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from pipeline.model.vocabulary import START

STARTING_WORDS = 20_000
SIDE = 299  # pixels


def starting_networks() -> tuple[keras.Model, keras.Model, keras.Model]:
    """The frozen network, the layer from its grid to the decoder's, and the decoder, with random weights."""
    encoder = keras.applications.InceptionResNetV2(include_top=False, weights=None, input_shape=(SIDE, SIDE, 3))
    encoder.trainable = False
    grid_in, word_in, state_in = keras.Input((64, 512)), keras.Input((None,), dtype="int32"), keras.Input((512,))
    grid_layer = keras.Sequential(
        [keras.Input((8, 8, 1536)), keras.layers.Reshape((64, 1536)), keras.layers.Dense(512, "relu")]
    )
    embedded = keras.layers.Embedding(STARTING_WORDS, 512)(word_in)
    sequence, state = keras.layers.GRU(512, return_sequences=True, return_state=True)(embedded, initial_state=state_in)
    attended = keras.layers.Attention()([sequence, grid_in])
    hidden = keras.layers.LayerNormalization(axis=-1)(keras.layers.Add()([attended, sequence]))
    decoder = keras.Model([word_in, grid_in, state_in], [keras.layers.Dense(STARTING_WORDS)(hidden), state])
    return encoder, grid_layer, decoder


def starting_captions(words_each: int) -> Callable[[Sequence[bytes]], list[str]]:
    """Captions JPEG files one by one, as lines of JSON; words are drawn from the ten likeliest, one call each."""
    encoder, grid_layer, decoder = starting_networks()
    random = np.random.default_rng(0)

    def caption(data: bytes) -> str:
        image = tf.image.resize(tf.io.decode_jpeg(data, channels=3), (SIDE, SIDE)) / 255.0
        grid = grid_layer(encoder(image[None]))
        word, state, words = tf.constant([[START]]), tf.zeros((1, 512)), []
        for _ in range(words_each + 1):
            logits, state = decoder([word, grid, state])
            likely, ids = tf.math.top_k(logits[0, 0], 10)
            noisy = likely.numpy() + random.gumbel(size=10)  # the same as to draw by their probabilities
            word = ids[None, None, noisy.argmax()]
            words.append(int(word[0, 0]))
        return json.dumps({"caption": " ".join(map(str, words))})

    return lambda photographs: [caption(data) for data in photographs]


def starting_step() -> Callable[[Any, Any], object]:
    """A step on pairs: uint8 [pairs, 299, 299, 3] and tokens int32 [pairs, places]; each image has one caption.

    The frozen network runs on every image in every step, and the loss is exact.
    """
    encoder, grid_layer, decoder = starting_networks()
    weights = [*grid_layer.trainable_variables, *decoder.trainable_variables]
    optimizer = keras.optimizers.Adam()
    optimizer.build(weights)

    @tf.function
    def step(images: tf.Tensor, tokens: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            grid = grid_layer(encoder(tf.cast(images, tf.float32) / 255.0, training=False))
            logits, _ = decoder([tokens[:, :-1], grid, tf.zeros((tf.shape(tokens)[0], 512))])
            loss = tf.nn.sparse_softmax_cross_entropy_with_logits(tokens[:, 1:], logits)
            loss = tf.reduce_mean(loss)
        optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights, strict=True))
        return loss

    return lambda images, tokens: float(step(images, tokens))
