"""The policies of GPUs train on a CPU too, only slower, so what they compute is checked here."""

from __future__ import annotations

from contextlib import contextmanager

import keras
import numpy as np
import pytest

from pipeline.core.settings import DecoderSettings, TrainingSettings
from pipeline.model.network.decoder import Decoder
from pipeline.model.vocabulary import PADDING, START
from pipeline.training.batches import Batch
from pipeline.training.trainer import Trainer


@pytest.fixture
def batch():
    random = np.random.default_rng(0)
    words = [2, *random.integers(4, 30, 6), 3]
    features = random.normal(size=(8, 49, 16)).astype(np.float16)
    return Batch(features, np.arange(8, dtype=np.int32), np.array([words] * 8, np.int32))


@pytest.mark.parametrize(("policy", "optimizer"), [("mixed_bfloat16", "Adam"), ("mixed_float16", "LossScaleOptimizer")])
@pytest.mark.parametrize("decoder", [{}, {"gate": True, "tied": True}], ids=["free", "gated and tied"])
def test_mixed_precision_learns_like_float32(batch, decoder, policy, optimizer):
    exact = _losses(batch, "float32", decoder)[1]
    kind, mixed = _losses(batch, policy, decoder)
    assert kind == optimizer
    assert mixed[-1] < 0.6 * mixed[0]
    assert mixed == pytest.approx(exact, rel=0.1)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_learns_from_what_it_sampled(batch, policy):
    """The likelihood of the captions that are made likelier rises, and the drawn ones are words."""
    with _policy(policy):
        trainer = _fitter({"gate": True, "tied": True})
        sampled = trainer.sample(batch.features, 2, 7)
        assert sampled.shape == (16, 9)
        assert sampled.max() < 30
        assert ((sampled == PADDING) | (sampled >= START)).all()
        before = trainer.loss(batch)[0]
        for _ in range(5):
            trainer.reinforce(batch, batch, np.full(8, 1 / 56, np.float32))
        assert trainer.loss(batch)[0] < before


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16", "mixed_float16"])
def test_a_tied_decoder_gives_logits_in_float32(batch, policy):
    with _policy(policy):
        decoder = _fitter({"tied": True}).decoder
        assert decoder(batch.features, batch.tokens[:, :-1]).dtype == "float32"


@contextmanager
def _policy(name):
    keras.utils.set_random_seed(1)
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy("float32")


def _fitter(settings):
    decoder = Decoder(DecoderSettings(units=64, embedding=32, dropout=0.0, **settings), 30, 49, 16)
    decoder.build()
    return Trainer(decoder, TrainingSettings(average=0.9), steps=100)


def _losses(batch, policy, settings):
    with _policy(policy):
        trainer = _fitter(settings)
        return type(trainer.optimizer).__name__, [trainer.train_step(batch) for _ in range(20)]
