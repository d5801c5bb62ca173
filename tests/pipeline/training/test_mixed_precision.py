"""The policies of GPUs train on a CPU too, only slower, so what they compute is checked here."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from pipeline.model.decoder import Decoder
from pipeline.settings import DecoderSettings, TrainingSettings
from pipeline.training.examples import Batch
from pipeline.training.step import Fitter


@pytest.fixture
def batch():
    random = np.random.default_rng(0)
    words = [2, *random.integers(4, 30, 6), 3]
    return Batch(random.normal(size=(8, 49, 16)).astype(np.float16), np.array([words] * 8, np.int32))


@pytest.mark.parametrize(("policy", "optimizer"), [("mixed_bfloat16", "Adam"), ("mixed_float16", "LossScaleOptimizer")])
def test_mixed_precision_learns_like_float32(batch, policy, optimizer):
    exact = _losses(batch, "float32")[1]
    kind, mixed = _losses(batch, policy)
    assert kind == optimizer
    assert mixed[-1] < 0.6 * mixed[0]
    assert mixed == pytest.approx(exact, rel=0.1)


def _losses(batch, policy):
    keras.utils.set_random_seed(1)
    keras.config.set_dtype_policy(policy)
    try:
        decoder = Decoder(DecoderSettings(units=64, embedding=32, dropout=0.0), 30, 49, 16)
        decoder.build()
        fitter = Fitter(decoder, TrainingSettings(), steps=100)
        return type(fitter.optimizer).__name__, [fitter.fit(batch) for _ in range(20)]
    finally:
        keras.config.set_dtype_policy("float32")
