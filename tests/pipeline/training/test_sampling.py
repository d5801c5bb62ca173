from itertools import product

import keras
import numpy as np
import pytest

from pipeline.core.settings import DecoderSettings, TrainingSettings
from pipeline.model.network.decoder import Decoder
from pipeline.model.vocabulary import END, PADDING, SPECIAL, START
from pipeline.training.trainer import Trainer

POSITIONS, CHANNELS = 3, 5
FUSIONS = ("late", "early", "hybrid")


def trainer_of(words=6, seed=1, sharpness=3.0, fusion="hybrid", **settings):
    """A decoder with random weights that prefers some words, the special ones among them."""
    keras.utils.set_random_seed(7)
    chosen = DecoderSettings(embedding=8, units=8, dropout=0.5, fusion=fusion, **settings)
    decoder = Decoder(chosen, words + len(SPECIAL), POSITIONS, CHANNELS)
    decoder.build()
    decoder.write.kernel.assign(decoder.write.kernel * sharpness)
    return Trainer(decoder, TrainingSettings(seed=seed), steps=10)


def images(count, seed=0):
    return np.random.default_rng(seed).normal(size=(count, POSITIONS, CHANNELS)).astype(np.float16)


def always(trainer, likely):
    """Make it say words with these logits, whatever it saw and wrote."""
    trainer.decoder.write.kernel.assign(trainer.decoder.write.kernel * 0.0)
    trainer.decoder.write.bias.assign(likely)


@pytest.mark.parametrize("fusion", FUSIONS)
@pytest.mark.parametrize("max_words", [1, 5])
def test_a_caption_is_a_start_then_words_then_one_end_then_padding(fusion, max_words):
    trainer = trainer_of(fusion=fusion)
    trainer.decoder.write.bias.assign([4.0, 4.0, 4.0, *[0.0] * 7])  # tempting, and never to be written
    tokens = trainer.sample(images(4), 25, max_words)
    assert tokens.shape == (100, max_words + 2)
    assert tokens.dtype == np.int32
    assert (tokens[:, 0] == START).all()
    ended = 0
    for row in tokens[:, 1:]:
        ends = np.flatnonzero(row == END)
        assert len(ends) <= 1
        words = row[: ends[0]] if len(ends) else row
        assert ((len(SPECIAL) <= words) & (words < len(SPECIAL) + 6)).all()
        assert (row[len(words) + 1 :] == PADDING).all()
        ended += len(ends)
    assert 0 < ended < 100


def test_one_that_does_not_end_in_time_has_no_end():
    trainer = trainer_of()
    always(trainer, [0.0, 0.0, 0.0, -50.0, *[0.0] * 6])
    tokens = trainer.sample(images(2), 3, 4)
    assert tokens.shape == (6, 6)
    assert (tokens[:, 1:] >= len(SPECIAL)).all()


def test_one_that_ends_at_once_has_no_words():
    trainer = trainer_of()
    always(trainer, np.eye(10)[END] * 50.0)
    np.testing.assert_array_equal(trainer.sample(images(2), 2, 3), [[START, END, PADDING, PADDING, PADDING]] * 4)


def assert_as_likely(counts, shares):
    """Pearson's chi-squared, far beyond what chance gives: its mean is the degrees of freedom, its variance twice."""
    expected = counts.sum() * shares
    rare = expected < 5  # together, as one of them alone would weigh too much
    if rare.any():
        counts = np.append(counts[~rare], counts[rare].sum())
        expected = np.append(expected[~rare], expected[rare].sum())
    freedom = len(expected) - 1
    statistic = ((counts - expected) ** 2 / expected).sum()
    assert statistic < freedom + 5 * (2 * freedom) ** 0.5


def test_words_come_as_often_as_they_are_likely():
    trainer = trainer_of()
    likely = np.array([9.0, 9.0, 9.0, 0.5, 0.0, -0.5, -1.0, -1.5, -3.0, 1.0])
    always(trainer, likely)
    first = trainer.sample(images(2), 4000, 1)[:, 1]
    shares = np.exp(likely[END:]) / np.exp(likely[END:]).sum()
    counts = np.bincount(first, minlength=10)
    assert counts[:END].sum() == 0
    assert_as_likely(counts[END:], shares)


@pytest.mark.parametrize("fusion", FUSIONS)
def test_whole_captions_come_as_often_as_by_teacher_forcing(fusion):
    trainer, features = trainer_of(words=2, fusion=fusion), images(2, seed=3)
    words = (END + 1, END + 2)
    captions = [
        (*texts, END, *[PADDING] * (2 - length)) for length in range(3) for texts in product(words, repeat=length)
    ]
    captions += list(product(words, repeat=3))
    inputs = np.array([(START, *caption[:-1]) for caption in captions], np.int32)
    tokens = trainer.sample(features, 5000, 2)[:, 1:].reshape(2, 5000, 3)
    shares = []
    for image, sampled in zip(features.astype("float32"), tokens, strict=True):
        logits = np.array(trainer.decoder(np.repeat(image[None], len(inputs), axis=0), inputs), "float64")
        chances = np.exp(logits[..., END:]) / np.exp(logits[..., END:]).sum(axis=-1, keepdims=True)
        each = [
            np.prod([chances[row, place, word - END] for place, word in enumerate(caption) if word != PADDING])
            for row, caption in enumerate(captions)
        ]
        assert sum(each) == pytest.approx(1, abs=1e-5)
        actual = {caption: (sampled == caption).all(axis=1).sum() for caption in captions}
        assert_as_likely(np.array(list(actual.values())), np.array(each))
        shares.append(each)
    assert np.abs(np.subtract(*shares)).max() > 0.02  # else mixing up the images would go unseen


def test_draws_are_seeded_and_move_on():
    features = images(3)
    one, same, other = trainer_of(seed=1), trainer_of(seed=1), trainer_of(seed=2)
    first, second = one.sample(features, 4, 6), one.sample(features, 4, 6)
    assert (first != second).any()
    np.testing.assert_array_equal(first, same.sample(features, 4, 6))
    np.testing.assert_array_equal(second, same.sample(features, 4, 6))
    assert (first != other.sample(features, 4, 6)).any()


def test_an_image_s_samples_differ_and_lie_next_to_each_other():
    trainer = trainer_of()
    features = images(2, seed=5)
    tokens = trainer.sample(np.repeat(features, [1, 1], axis=0), 200, 4).reshape(2, 200, 6)
    assert len({tuple(row) for row in tokens[0]}) > 5
    logits = np.array(trainer.decoder(features.astype("float32"), np.full((2, 1), START, np.int32)))[:, 0, END:]
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    for sampled, own in zip(tokens, shares, strict=True):
        assert_as_likely(np.bincount(sampled[:, 1], minlength=10)[END:], own)
