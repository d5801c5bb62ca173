import keras
import numpy as np
import pytest
import tensorflow as tf

from pipeline.core.settings import DecoderSettings, TrainingSettings
from pipeline.model.network.decoder import Decoder
from pipeline.model.vocabulary import END, PADDING, START
from pipeline.training.batches import Batch
from pipeline.training.trainer import Trainer

WORDS, POSITIONS, CHANNELS = 12, 3, 5
KINDS = [
    {"fusion": "late"},
    {"fusion": "early", "tied": True},
    {"fusion": "hybrid", "gate": True, "tied": True},
]


def trainer_of(decoder=None, people_share=0.0, **training):
    keras.utils.set_random_seed(3)
    chosen = DecoderSettings(**{"embedding": 8, "units": 8, "dropout": 0.0, **(decoder or KINDS[2])})
    network = Decoder(chosen, WORDS, POSITIONS, CHANNELS)
    network.build()
    return Trainer(
        network, TrainingSettings(**{"warmup_share": 0.0, **training}), steps=1000, people_share=people_share
    )


@pytest.fixture
def batch():
    """Three images with 2, 1 and 3 captions of 1 to 6 words."""
    random = np.random.default_rng(0)
    tokens = np.full((6, 8), PADDING, np.int32)
    for row, length in zip(tokens, (6, 2, 4, 1, 5, 3), strict=True):
        row[: length + 2] = [START, *random.integers(END + 1, WORDS, length), END]
    features = random.normal(size=(3, POSITIONS, CHANNELS)).astype(np.float16)
    return Batch(features, np.array([0, 0, 1, 2, 2, 2], np.int32), tokens)


def log_probabilities(decoder, batch):
    """Of all words at the place of each real one, and the real ones, by teacher forcing caption by caption."""
    actual, targets = [], []
    for image, row in zip(batch.images, batch.tokens, strict=True):
        ids = row[row != PADDING]
        logits = np.array(decoder(batch.features[[image]].astype("float32"), ids[None, :-1])[0], "float64")
        actual.append(logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True)))
        targets.append(ids[1:])
    return np.concatenate(actual), np.concatenate(targets)


def weights_of(trainer):
    return [np.array(weight) for weight in trainer.decoder.trainable_variables]


def assert_alike(one, other, atol=1e-6):
    for left, right in zip(weights_of(one), weights_of(other), strict=True):
        np.testing.assert_allclose(left, right, atol=atol)


@pytest.mark.parametrize("decoder", KINDS)
def test_the_loss_is_the_mean_over_real_words_computed_by_hand(decoder, batch):
    trainer = trainer_of(decoder, label_smoothing=0.2)
    likely, targets = log_probabilities(trainer.decoder, batch)
    assert len(targets) == (batch.tokens[:, 1:] != PADDING).sum() == 27
    each = -likely[np.arange(len(targets)), targets]
    loss, words = trainer.loss(batch)
    assert words == 27
    assert loss == pytest.approx(each.sum(), rel=1e-5)
    smoothed = (0.8 * each - 0.2 * likely.mean(axis=1)).mean()
    assert trainer.train_step(batch) == pytest.approx(smoothed, rel=1e-5)
    assert trainer.loss(batch)[0] < loss


def test_more_padding_changes_neither_loss_nor_step(batch):
    one, other = trainer_of(), trainer_of()
    padded = batch._replace(tokens=np.pad(batch.tokens, [(0, 0), (0, 5)], constant_values=PADDING))
    for _ in range(3):
        assert one.train_step(batch) == pytest.approx(other.train_step(padded), rel=1e-6)
    assert one.loss(batch) == pytest.approx(one.loss(padded), rel=1e-6)
    assert_alike(one, other)


def test_an_image_given_once_trains_like_one_given_with_each_caption(batch):
    one, other = trainer_of(), trainer_of()
    apart = Batch(batch.features[batch.images], np.arange(6, dtype=np.int32), batch.tokens)
    assert one.train_step(batch) == pytest.approx(other.train_step(apart), rel=1e-6)
    assert_alike(one, other)


def test_the_order_of_captions_in_a_batch_does_not_matter(batch):
    one, other = trainer_of(), trainer_of()
    order = [4, 0, 3, 5, 1, 2]
    mixed = batch._replace(images=batch.images[order], tokens=batch.tokens[order])
    assert one.train_step(batch) == pytest.approx(other.train_step(mixed), rel=1e-6)
    assert_alike(one, other, atol=1e-5)


@pytest.mark.parametrize("decoder", KINDS)
def test_reinforcing_lowers_each_caption_s_weight_times_its_negative_log_probability(decoder, batch):
    gains = np.array([0.5, -0.25, 0.0, 1.0, -1.0, 0.125], np.float32)
    trainer, by_hand = trainer_of(decoder), trainer_of(decoder)
    trainer.reinforce(batch, batch, gains)
    features = batch.features[batch.images].astype("float32")
    with tf.GradientTape() as tape:
        likely = tf.nn.log_softmax(by_hand.decoder(features, batch.tokens[:, :-1]))
        words = tf.gather(likely, batch.tokens[:, 1:], batch_dims=2)
        real = (batch.tokens[:, 1:] != PADDING).astype("float32")
        loss = -tf.reduce_sum(gains[:, None] * words * real)
    weights = by_hand.decoder.trainable_variables
    by_hand.optimizer.apply([tf.convert_to_tensor(item) for item in tape.gradient(loss, weights)], weights)
    assert_alike(trainer, by_hand, atol=1e-5)
    assert any(
        (one != other).any() for one, other in zip(weights_of(trainer), weights_of(trainer_of(decoder)), strict=True)
    )


def test_captions_are_reinforced_as_they_were_sampled_without_dropout(batch):
    gains = np.array([0.5, -0.25, 0.0, 1.0, -1.0, 0.125], np.float32)
    steady, dropping = trainer_of(KINDS[2]), trainer_of(KINDS[2] | {"dropout": 0.5})
    for own, other in zip(dropping.decoder.trainable_variables, weights_of(steady), strict=True):
        own.assign(other)
    for trainer in (steady, dropping):
        trainer.reinforce(batch, batch, gains)
    assert_alike(steady, dropping, atol=0)


def test_what_people_say_may_hold_reinforced_captions(batch):
    """At a share of 1 it is the first stage's step, whatever the gains; between, it is neither."""
    gains = np.array([0.5, -0.25, 0.0, 1.0, -1.0, 0.125], np.float32)
    texts = batch._replace(tokens=batch.tokens[::-1].copy())
    held, half, free, fitted = trainer_of(people_share=1.0), trainer_of(people_share=0.5), trainer_of(), trainer_of()
    for trainer in (held, half, free):
        trainer.reinforce(batch, texts, gains)
    fitted.train_step(batch)
    assert_alike(held, fitted)
    for one, other in ((half, fitted), (half, free), (free, fitted)):
        assert any(np.abs(a - b).max() > 1e-4 for a, b in zip(weights_of(one), weights_of(other), strict=True))


def test_reinforced_captions_get_likelier_and_discouraged_ones_unlikelier(batch):
    trainer = trainer_of()

    def likelihoods():
        return [
            -trainer.loss(batch._replace(images=batch.images[[row]], tokens=batch.tokens[[row]]))[0] for row in range(6)
        ]

    before = likelihoods()
    for _ in range(5):
        trainer.reinforce(batch, batch, np.array([1, -1, 1, -1, 1, -1], np.float32))
    changes = np.subtract(likelihoods(), before)
    assert (changes[::2] > 0).all()
    assert (changes[1::2] < 0).all()


def test_weights_of_zero_change_nothing(batch):
    trainer = trainer_of()
    trainer.reinforce(batch, batch, np.zeros(6, np.float32))
    assert_alike(trainer, trainer_of(), atol=0)


def test_every_step_moves_the_average(batch):
    trainer = trainer_of(average=0.9)
    paths = [weights_of(trainer)]
    for step in (lambda: trainer.train_step(batch), lambda: trainer.reinforce(batch, batch, np.ones(6, np.float32))):
        step()
        paths.append(weights_of(trainer))
    assert int(trainer.average.values[0]) == 2
    for average, begun, first, second in zip(trainer.average.values[1:], *paths, strict=True):
        expected = (begun / 11 + first * 10 / 11) / 6 + second * 5 / 6
        np.testing.assert_allclose(average, expected, atol=1e-6)
    assert any((one != other).any() for one, other in zip(paths[1], paths[2], strict=True))


def test_the_learning_rate_rises_then_falls_to_nothing(batch):
    keras.utils.set_random_seed(3)
    trainer = trainer_of(learning_rate=0.01)
    short = Trainer(trainer.decoder, TrainingSettings(learning_rate=0.01, warmup_share=0.25), steps=8)
    rates = []
    for _ in range(8):
        rates.append(float(short.optimizer.learning_rate))
        short.train_step(batch)
    assert rates[0] == 0
    assert rates[2] == pytest.approx(0.01)
    assert rates[:3] == sorted(rates[:3])
    assert rates[2:] == sorted(rates[2:], reverse=True)
    assert float(short.optimizer.learning_rate) == pytest.approx(0, abs=1e-6)
    assert float(trainer.optimizer.learning_rate) == pytest.approx(0.01)


def test_a_gradient_of_any_norm_is_followed_where_none_is_the_largest(batch):
    """Clipped to next to nothing, Adam's own epsilon keeps the weights where they are."""
    moved = []
    for norm in (None, 1e-12):
        trainer = trainer_of(clip_norm=norm)
        begun = weights_of(trainer)
        trainer.train_step(batch)
        pairs = zip(begun, weights_of(trainer), strict=True)
        moved.append(max(np.abs(after - before).max() for before, after in pairs))
    assert moved[0] > 100 * moved[1]


def test_without_decay_the_learning_rate_rises_and_stays(batch):
    trainer = trainer_of(learning_rate=0.01)
    short = Trainer(trainer.decoder, TrainingSettings(learning_rate=0.01, warmup_share=0.25, decay=False), steps=8)
    rates = []
    for _ in range(8):
        rates.append(float(short.optimizer.learning_rate))
        short.train_step(batch)
    assert rates[0] == 0
    assert rates[2:] == pytest.approx([0.01] * 6)


def test_all_that_a_resumed_training_needs_is_among_the_variables(batch):
    trainer, other = trainer_of({"dropout": 0.4, "units": 8, "embedding": 8}, average=0.9), None
    trainer.train_step(batch)
    trainer.sample(batch.features, 3, 5)
    other = trainer_of({"dropout": 0.4, "units": 8, "embedding": 8}, average=0.9)
    for mine, theirs in zip(other.variables, trainer.variables, strict=True):
        mine.assign(theirs)
    assert other.train_step(batch) == trainer.train_step(batch)
    np.testing.assert_array_equal(other.sample(batch.features, 3, 5), trainer.sample(batch.features, 3, 5))
    for mine, theirs in zip(other.variables, trainer.variables, strict=True):
        np.testing.assert_array_equal(mine, theirs)
