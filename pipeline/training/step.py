"""The one place that takes a gradient."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from pipeline.model.decoder import Decoder
from pipeline.model.decoding import Writer
from pipeline.settings import DecodingSettings, TrainingSettings
from pipeline.training.examples import Batch
from pipeline.training.loss import summed_loss


class Fitter:
    """A decoder and its optimizer: Adam with a clipped gradient, warm-up and cosine decay.

    Attributes:
        decoder: what is fitted.
        optimizer: Adam (Kingma and Ba, 2015); scales the loss under float16.
        writer: the decoder writing greedily, to see how its captions read.
    """

    def __init__(self, decoder: Decoder, settings: TrainingSettings, steps: int) -> None:
        self.decoder = decoder
        self.smoothing = settings.label_smoothing
        self.writer = Writer(decoder, DecodingSettings(method="greedy"), decoder.vocabulary_size)
        warmup = int(steps * settings.warmup_share)
        schedule = keras.optimizers.schedules.CosineDecay(
            0.0 if warmup else settings.learning_rate,
            max(1, steps - warmup),
            warmup_target=settings.learning_rate if warmup else None,
            warmup_steps=warmup,
        )
        optimizer = keras.optimizers.Adam(schedule, global_clipnorm=settings.clip_norm)
        scaled = decoder.dtype_policy.compute_dtype == "float16"
        self.optimizer = keras.optimizers.LossScaleOptimizer(optimizer) if scaled else optimizer
        self.optimizer.build(decoder.trainable_variables)
        # One graph for all lengths: shapes are left open.
        signature = [tf.TensorSpec((None, None, None), tf.float16), tf.TensorSpec((None, None), tf.int32)]
        self._fit = tf.function(self._fit_batch, input_signature=signature)
        self._judge = tf.function(self._judge_batch, input_signature=signature)

    @property
    def variables(self) -> list[Any]:
        """All that a resumed training needs: weights, random state, and the optimizer's moments and step."""
        return [*self.decoder.variables, *self.optimizer.variables]

    def fit(self, batch: Batch) -> float:
        """Take one step; returns the smoothed loss in nats a word before it."""
        return float(self._fit(*batch))

    def judge(self, batch: Batch) -> tuple[float, float]:
        """Loss in nats summed over a batch's words, without smoothing or dropout, and their number."""
        loss, words = self._judge(*batch)
        return float(loss), float(words)

    def _fit_batch(self, features: Any, tokens: Any) -> Any:
        with tf.GradientTape() as tape:
            logits = self.decoder(features, tokens[:, :-1], training=True)
            total, words = summed_loss(logits, tokens[:, 1:], self.smoothing)
            loss = total / words
            scaled = self.optimizer.scale_loss(loss)
        gradients = tape.gradient(scaled, self.decoder.trainable_variables)
        self.optimizer.apply(gradients, self.decoder.trainable_variables)
        return loss

    def _judge_batch(self, features: Any, tokens: Any) -> Any:
        return summed_loss(self.decoder(features, tokens[:, :-1]), tokens[:, 1:], 0.0)
