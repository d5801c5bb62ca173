"""The one place that takes a gradient."""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf
from keras import ops

from pipeline.core.settings import DecodingSettings, TrainingSettings
from pipeline.model.network.decoder import Decoder, EncoderMemory
from pipeline.model.network.generation import Generator
from pipeline.model.vocabulary import PADDING
from pipeline.training.batches import Batch
from pipeline.training.loss import likelihood, sampled_loss, summed_loss
from pipeline.training.sampling import sample_captions
from pipeline.training.weight_average import MovingAverage


class Trainer:
    """A decoder and its optimizer: Adam (Kingma and Ba, 2015), a clipped gradient, warm-up and cosine decay."""

    def __init__(self, decoder: Decoder, settings: TrainingSettings, steps: int, people_share: float = 0.0) -> None:
        self.decoder, self.smoothing = decoder, settings.label_smoothing
        words = decoder.vocabulary_size
        self.sampled = settings.samples_output(words)
        self.people_share = people_share  # of the loss, on people's captions when captions are reinforced, in [0, 1]
        self.generator = Generator(decoder, DecodingSettings(method="greedy"), words)  # validates
        optimizer = keras.optimizers.Adam(_schedule(settings, steps), global_clipnorm=settings.clip_norm)
        scaled = decoder.dtype_policy.compute_dtype == "float16"
        self.optimizer = keras.optimizers.LossScaleOptimizer(optimizer) if scaled else optimizer
        self.optimizer.build(decoder.trainable_variables)
        self.random = keras.random.SeedGenerator(settings.seed)
        self.average = MovingAverage(decoder.trainable_variables, settings.average)  # is evaluated and kept
        # One graph for all lengths: shapes are left open.
        features = tf.TensorSpec((None, decoder.positions, decoder.channels), tf.float16)
        captions = [tf.TensorSpec((None,), tf.int32), tf.TensorSpec((None, None), tf.int32)]
        signature = [features, *captions]
        self._train_step = tf.function(self._train_on_batch, input_signature=signature)
        self._loss = tf.function(self._loss_on_batch, input_signature=signature)
        reinforced = [*signature, *captions, tf.TensorSpec((None,), tf.float32)]
        self._reinforce = tf.function(self._reinforce_batch, input_signature=reinforced)
        count = tf.TensorSpec((), tf.int32)
        self._sample = tf.function(self._sample_captions, input_signature=[features, count, count])

    @property
    def variables(self) -> list[Any]:
        """All that a resumed training needs: weights, random state, averages, the optimizer's moments and step."""
        return [*self.decoder.variables, self.random.state, *self.average.values, *self.optimizer.variables]

    def operations(self) -> Counter[str]:
        """How often each kind of TensorFlow's operations is in the graph of a step, by its name such as `MatMul`."""
        graph = self._train_step.get_concrete_function().graph.as_graph_def()
        inner = (node for function in graph.library.function for node in function.node_def)
        return Counter(node.op for node in (*graph.node, *inner))

    def train_step(self, batch: Batch) -> float:
        """Take one step; returns the smoothed loss in nats a word before it."""
        return float(self._train_step(*batch))

    def loss(self, batch: Batch) -> tuple[float, float]:
        """Loss in nats summed over a batch's words, without smoothing or dropout, and their number."""
        loss, words = self._loss(*batch)
        return float(loss), float(words)

    def sample(self, features: Any, samples: int, max_words: int) -> npt.NDArray[np.int32]:
        """Sampled captions: float16 [n, positions, channels] to int32 [n * samples, places]."""
        return np.asarray(self._sample(features, samples, max_words))

    def reinforce(self, people: Batch, sampled: Batch, weights: npt.NDArray[np.float32]) -> None:
        """Make captions likelier by float32 weights [captions], unlikelier where they are negative (Williams, 1992)."""
        self._reinforce(*people, *sampled[1:], weights)

    def _train_on_batch(self, features: Any, images: Any, tokens: Any) -> Any:
        with tf.GradientTape() as tape:
            hidden, targets = teacher_forced(self.decoder, features, images, tokens, training=True)
            loss = self._fitted_loss(hidden, targets) / ops.cast(ops.shape(targets)[0], "float32")
            scaled = self.optimizer.scale_loss(loss)
        self._apply(tape, scaled)
        return loss

    def _fitted_loss(self, hidden: Any, targets: Any) -> Any:
        words = self.decoder.vocabulary_size
        if not self.sampled:
            return summed_loss(self.decoder.logits(hidden), targets, self.smoothing)
        return sampled_loss(partial(self.decoder.logits, hidden), words, targets, self.smoothing, self.random)

    def _reinforce_batch(
        self, features: Any, images: Any, tokens: Any, sampled_images: Any, sampled_tokens: Any, weights: Any
    ) -> None:
        with tf.GradientTape() as tape:
            loss = (1 - self.people_share) * self._policy_loss(features, sampled_images, sampled_tokens, weights)
            if self.people_share:
                summed, words = self._summed_loss(features, images, tokens, self.smoothing, training=True)
                loss = loss + self.people_share * summed / words
            scaled = self.optimizer.scale_loss(loss)
        self._apply(tape, scaled)

    def _policy_loss(self, features: Any, images: Any, tokens: Any, weights: Any) -> Any:
        # Without dropout, as captions are sampled: gains are worth nothing to another distribution.
        hidden, targets = teacher_forced(self.decoder, features, images, tokens, training=False)
        each = -likelihood(self.decoder.logits(hidden), targets)  # [words]
        caption_of = tf.cast(tf.where(tokens[:, 1:] != PADDING)[:, 0], tf.int32)  # [words]
        return ops.sum(each * ops.take(weights, caption_of))

    def _apply(self, tape: tf.GradientTape, loss: Any) -> None:
        weights = self.decoder.trainable_variables
        # Dense, for Adam squares the parts of a sparse gradient one by one where a word comes twice.
        gradients = [tf.convert_to_tensor(gradient) for gradient in tape.gradient(loss, weights)]
        self.optimizer.apply(gradients, weights)
        self.average.update(weights)

    def _sample_captions(self, features: Any, samples: Any, max_words: Any) -> Any:
        return sample_captions(self.decoder, self.decoder.encode(features), samples, max_words, self.random)

    def _loss_on_batch(self, features: Any, images: Any, tokens: Any) -> Any:
        return self._summed_loss(features, images, tokens, 0.0, training=False)

    def _summed_loss(self, features: Any, images: Any, tokens: Any, smoothing: float, training: bool) -> Any:
        """The loss summed over all words, and their number."""
        hidden, targets = teacher_forced(self.decoder, features, images, tokens, training)
        return summed_loss(self.decoder.logits(hidden), targets, smoothing), ops.cast(ops.shape(targets)[0], "float32")


def _schedule(settings: TrainingSettings, steps: int) -> Any:
    """The learning rate over so many steps: rising, then falling or not."""
    warmup = int(steps * settings.warmup_share)
    return keras.optimizers.schedules.CosineDecay(
        0.0 if warmup else settings.learning_rate,
        max(1, steps - warmup),
        alpha=0.0 if settings.decay else 1.0,
        warmup_target=settings.learning_rate if warmup else None,
        warmup_steps=warmup,
    )


def teacher_forced(decoder: Decoder, features: Any, images: Any, tokens: Any, training: bool) -> tuple[Any, Any]:
    """The hidden state before each word of a `Batch`, and the word, without padding: [words, units], int32 [words]."""
    memory = decoder.encode(features, training)  # once an image, however many captions it has
    repeated = EncoderMemory(ops.take(memory.grid, images, axis=0), ops.take(memory.pooled, images, axis=0))
    hidden, _ = decoder.forward(repeated, tokens[:, :-1], training)  # [captions, words, units]
    real = tokens[:, 1:] != PADDING
    return tf.boolean_mask(hidden, real), tf.boolean_mask(tokens[:, 1:], real)
