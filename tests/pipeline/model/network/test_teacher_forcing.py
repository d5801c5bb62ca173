import keras
import numpy as np
import pytest
from keras import ops

from pipeline.core.settings import DecoderSettings
from pipeline.model.network.decoder import Decoder
from pipeline.model.network.teacher_forcing import TeacherForcedScorer
from pipeline.model.vocabulary import END, PADDING, START

WORDS, POSITIONS, CHANNELS = 11, 4, 5
CAPTIONS = np.array([[5, 6, 7, END], [8, 9, END, PADDING]], np.int32)


@pytest.fixture(scope="module", params=["late", "early", "hybrid"])
def decoder(request):
    keras.utils.set_random_seed(3)
    settings = DecoderSettings(fusion=request.param, gate=request.param == "hybrid", embedding=8, units=12)
    decoder = Decoder(settings, WORDS, POSITIONS, CHANNELS)
    decoder.build()
    return decoder


@pytest.fixture(scope="module")
def features():
    return np.random.default_rng(1).normal(size=(len(CAPTIONS), POSITIONS, CHANNELS)).astype(np.float32)


def read_by_steps(decoder, features, caption):
    """Log-probability, entropy and attention at each word, by the way that captions are written."""
    memory = decoder.encode(features[None])
    state, before = decoder.initial_state(memory), START
    for word in caption:
        step = decoder.step(memory, state, ops.convert_to_tensor([before]))
        shares = np.asarray(ops.softmax(step.logits))[0].astype(np.float64)
        yield np.log(shares[word]), -(shares * np.log(shares)).sum(), np.asarray(step.attention)[0]
        state, before = step.state, word


def test_it_reads_what_the_writer_would_have_seen(decoder, features):
    reading = TeacherForcedScorer(decoder)((features, CAPTIONS))
    for row, caption in enumerate(CAPTIONS):
        words = caption[caption != PADDING]
        likely, entropy, attention = zip(*read_by_steps(decoder, features[row], words), strict=True)
        np.testing.assert_allclose(np.asarray(reading.log_probabilities)[row, : len(words)], likely, atol=1e-5)
        np.testing.assert_allclose(np.asarray(reading.entropy)[row, : len(words)], entropy, atol=1e-5)
        np.testing.assert_allclose(np.asarray(reading.attention)[row, : len(words)], attention, atol=1e-5)


def test_padding_scores_nothing(decoder, features):
    likely, entropy, attention = (np.asarray(item) for item in TeacherForcedScorer(decoder)((features, CAPTIONS)))
    assert likely[1, -1] == 0
    assert entropy[1, -1] == 0
    assert not attention[1, -1].any()
    assert (likely[1, :-1] < 0).all()
