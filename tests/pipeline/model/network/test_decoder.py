import numpy as np
import pytest

from pipeline.core.settings import DecoderSettings

VOCABULARY, POSITIONS, CHANNELS, UNITS = 11, 4, 6, 8
FUSIONS = ("late", "early", "hybrid")
KINDS = [
    {"fusion": fusion, "gate": gate, "tied": tied}
    for fusion in FUSIONS
    for gate in (False, True)
    for tied in (False, True)
]
NAMES = [f"{kind['fusion']}{'-gate' * kind['gate']}{'-tied' * kind['tied']}" for kind in KINDS]
every_kind = pytest.mark.parametrize("kind", KINDS, ids=NAMES)


def decoder_of(fusion, positions=True, **settings):
    import keras

    from pipeline.model.network.decoder import Decoder

    keras.utils.set_random_seed(3)
    chosen = DecoderSettings(fusion=fusion, positions=positions, embedding=8, units=UNITS, **settings)
    decoder = Decoder(chosen, VOCABULARY, POSITIONS, CHANNELS)
    decoder.build()
    return decoder


@pytest.fixture(scope="module")
def features():
    return np.random.default_rng(1).normal(size=(3, POSITIONS, CHANNELS)).astype("float32")


@pytest.fixture(scope="module")
def tokens():
    rng = np.random.default_rng(2)
    return np.concatenate([np.full((3, 1), 2), rng.integers(4, VOCABULARY, (3, 6))], axis=1).astype("int32")


@pytest.mark.parametrize("positions", [True, False])
@pytest.mark.parametrize("fusion", FUSIONS)
def test_shapes(fusion, positions, features, tokens):
    decoder = decoder_of(fusion, positions)
    logits = decoder(features, tokens)
    assert logits.shape == (3, 7, VOCABULARY)
    assert logits.dtype == "float32"
    memory = decoder.encode(features)
    assert memory.grid.shape == (3, POSITIONS, UNITS)
    assert memory.pooled.shape == (3, UNITS)
    step = decoder.step(memory, decoder.initial_state(memory), tokens[:, 0])
    assert [value.shape for value in step] == [(3, VOCABULARY), (3, UNITS), (3, POSITIONS)]


@every_kind
def test_logits_of_some_words_are_those_of_all(kind, features, tokens):
    decoder = decoder_of(**kind)
    hidden, _ = decoder.forward(decoder.encode(features), tokens)
    words = np.array([5, 1, 5, VOCABULARY - 1], np.int32)
    every = np.asarray(decoder.logits(hidden))
    np.testing.assert_allclose(decoder.logits(hidden, words), every[..., words], atol=1e-5)


@pytest.mark.parametrize("positions", [True, False])
@every_kind
def test_word_by_word_gives_the_logits_of_teacher_forcing(kind, positions, features, tokens):
    decoder = decoder_of(**kind, positions=positions, dropout=0.5)
    taught = np.asarray(decoder(features, tokens))
    memory = decoder.encode(features)
    state, logits = decoder.initial_state(memory), []
    for token in tokens.T:
        step = decoder.step(memory, state, token)
        state = step.state
        logits.append(np.asarray(step.logits))
    np.testing.assert_allclose(np.stack(logits, axis=1), taught, atol=5e-6)
    assert taught.std() > 0.01


@pytest.mark.parametrize("fusion", FUSIONS)
def test_a_word_does_not_see_later_words(fusion, features, tokens):
    decoder = decoder_of(fusion)
    changed = tokens.copy()
    changed[:, 4] = 4 + (changed[:, 4] - 3) % 7
    before, after = np.asarray(decoder(features, tokens)), np.asarray(decoder(features, changed))
    np.testing.assert_array_equal(before[:, :4], after[:, :4])
    assert np.abs(before[:, 4:] - after[:, 4:]).max(axis=(1, 2)).min() > 1e-4


@pytest.mark.parametrize("fusion", FUSIONS)
def test_what_is_written_depends_on_the_image(fusion, features, tokens):
    decoder = decoder_of(fusion)
    same_words = np.repeat(tokens[:1], 3, axis=0)
    logits = np.asarray(decoder(features, same_words))
    assert np.abs(logits[0] - logits[1]).max() > 1e-3
    assert np.abs(logits[1] - logits[2]).max() > 1e-3


def test_early_fusion_attends_nowhere_and_late_fusion_starts_blind(features, tokens):
    early, late = decoder_of("early"), decoder_of("late")
    memory = early.encode(features)
    assert not np.asarray(early.step(memory, early.initial_state(memory), tokens[:, 0]).attention).any()
    assert np.asarray(early.initial_state(memory)).any()
    assert not np.asarray(late.initial_state(late.encode(features))).any()


def attention_of(decoder, features, tokens):
    """Attention at each word: [n, words, positions]."""
    memory = decoder.encode(features)
    state, actual = decoder.initial_state(memory), []
    for token in tokens.T:
        step = decoder.step(memory, state, token)
        state = step.state
        actual.append(np.asarray(step.attention))
    return np.stack(actual, axis=1)


@pytest.mark.parametrize("fusion", ["late", "hybrid"])
def test_attention_is_a_distribution_over_the_positions(fusion, features, tokens):
    attention = attention_of(decoder_of(fusion), features, tokens)
    assert (attention >= 0).all()
    np.testing.assert_allclose(attention.sum(axis=-1), 1, atol=1e-6)


@pytest.mark.parametrize("fusion", ["late", "hybrid"])
def test_a_gate_lets_attention_leave_the_image_by_what_was_written(fusion, features, tokens):
    attention = attention_of(decoder_of(fusion, gate=True), features, tokens)
    looking = attention.sum(axis=-1)
    assert (attention >= 0).all()
    assert (looking < 1).all()
    assert (looking > 0).all()
    assert np.ptp(looking, axis=1).min() > 1e-4


def test_under_early_fusion_there_is_nothing_to_gate():
    one, other = (decoder_of("early", gate=gate) for gate in (False, True))
    assert [weight.shape for weight in one.weights] == [weight.shape for weight in other.weights]


def test_tied_words_are_written_with_the_vectors_they_are_read_by(features, tokens):
    free, tied = decoder_of("hybrid"), decoder_of("hybrid", tied=True)
    shapes = [tuple(weight.shape) for weight in tied.trainable_variables]
    assert shapes.count((VOCABULARY, 8)) == 1
    assert (UNITS, VOCABULARY) not in shapes
    assert (UNITS, VOCABULARY) in [tuple(weight.shape) for weight in free.trainable_variables]
    unread = np.where(tokens == 10, 4, tokens)
    before = np.asarray(tied(features, unread))
    vectors = np.array(tied.embed.embeddings)
    vectors[10] += 1
    tied.embed.embeddings.assign(vectors)
    after = np.asarray(tied(features, unread))
    np.testing.assert_array_equal(after[..., :10], before[..., :10])
    assert np.abs(after[..., 10] - before[..., 10]).min() > 1e-4


@pytest.mark.parametrize("fusion", FUSIONS)
def test_early_fusion_gives_the_image_to_each_word(fusion, features, tokens):
    """With the same state, the word's input alone may carry the image."""
    decoder = decoder_of(fusion)
    memory = decoder.encode(features)
    state = np.zeros((3, UNITS), "float32")
    states = np.asarray(decoder.step(memory, state, np.full(3, 5, "int32")).state)
    differ = bool(np.abs(states[0] - states[1]).max() > 1e-4)
    assert differ == (fusion != "late")


def test_positions_let_it_tell_where_a_feature_lies(features, tokens):
    moved = features[:, ::-1]
    blind, placed = decoder_of("hybrid", positions=False), decoder_of("hybrid", positions=True)
    np.testing.assert_allclose(blind(features, tokens), blind(moved, tokens), atol=1e-6)
    assert np.abs(np.asarray(placed(features, tokens)) - np.asarray(placed(moved, tokens))).max() > 1e-4


def test_dropout_acts_in_training_only(features, tokens):
    decoder = decoder_of("hybrid", dropout=0.5)
    np.testing.assert_array_equal(decoder(features, tokens), decoder(features, tokens))
    trained = np.asarray(decoder(features, tokens, training=True))
    assert np.abs(trained - np.asarray(decoder(features, tokens))).max() > 1e-3


def test_once_standardised_features_may_be_of_any_scale_and_level(features, tokens):
    plain, scaled = decoder_of("hybrid"), decoder_of("hybrid")
    plain.standardise(features)
    scaled.standardise(features * 4 + 5)
    expected = np.asarray(plain(features, tokens))
    np.testing.assert_allclose(expected, scaled(features * 4 + 5, tokens), atol=1e-4)
    assert np.abs(expected - np.asarray(decoder_of("hybrid")(features, tokens))).max() > 1e-3
    seen = (features - np.asarray(plain.centre)) / np.asarray(plain.spread)
    np.testing.assert_allclose(seen.mean((0, 1)), 0, atol=1e-6)
    assert (np.abs(seen.std((0, 1)) - 0.9) < 0.1).all()
    plain.standardise(features * np.float32([1, 1, 1, 1, 1, 0]))  # a channel that says nothing
    assert np.isfinite(np.asarray(plain(features * 50, tokens))).all()


def test_an_image_s_logits_do_not_depend_on_its_neighbours(features, tokens):
    decoder = decoder_of("hybrid")
    others = np.concatenate([features[:1], features[:0:-1] * 5])
    np.testing.assert_array_equal(decoder(features, tokens)[0], decoder(others, tokens)[0])


@every_kind
def test_weights_come_back_from_a_file(kind, features, tokens, tmp_path):
    decoder = decoder_of(**kind)
    other = decoder_of(**kind)
    decoder.standardise(features)
    decoder.save_weights(tmp_path / "d.weights.h5")
    for variable in (*other.trainable_variables, other.centre, other.spread):
        variable.assign(variable * 0 + 0.1)
    other.load_weights(tmp_path / "d.weights.h5")
    np.testing.assert_array_equal(decoder(features, tokens), other(features, tokens))


@every_kind
def test_every_weight_takes_part(kind, features, tokens):
    import tensorflow as tf

    decoder = decoder_of(**kind, dropout=0.0)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(tf.square(decoder(features, tokens, training=True)))
    gradients = tape.gradient(loss, decoder.trainable_variables)
    idle = [
        variable.path
        for variable, gradient in zip(decoder.trainable_variables, gradients, strict=True)
        if gradient is None or not np.asarray(tf.convert_to_tensor(gradient)).any()
    ]
    assert idle == []
