from types import SimpleNamespace

import numpy as np
import pytest

from pipeline.core.errors import SettingsError
from pipeline.core.settings import DecoderSettings
from pipeline.imaging.decode import GREY
from pipeline.model.captioner import Networks
from pipeline.model.explanation import Explainer, _with_each_cell_greyed, explain
from pipeline.model.vocabulary import START, UNKNOWN, Vocabulary
from tests.loading import load_captioner

CAPTION = "a red circle above a blue star"


@pytest.fixture(scope="module")
def champion(tiny_run):
    return load_captioner(tiny_run.home, "models:/captioner@champion")


@pytest.fixture(scope="module")
def image():
    return np.random.default_rng(3).integers(0, 256, (112, 112, 3), np.uint8)


@pytest.fixture(scope="module")
def explained(champion, image):
    return explain(champion, image, CAPTION)


def log_probabilities(networks, image, caption):
    """By the path that training takes, all words at once."""
    from keras import ops

    tokens = np.array([[START, *(networks.vocabulary.ids.get(word, UNKNOWN) for word in caption.split())]], np.int32)
    logits = networks.decoder(networks.encoder(image[None]), tokens[:, :-1])
    every = ops.convert_to_numpy(ops.log_softmax(logits, axis=-1))[0]
    return every[range(tokens.shape[1] - 1), tokens[0, 1:]]


def test_every_word_has_two_maps_over_the_encoders_grid(explained):
    assert explained.words == tuple(CAPTION.split())
    assert explained.log_probabilities.shape == (7,)
    assert explained.attention.shape == explained.occlusion.shape == (7, 7, 7)


def test_words_are_as_likely_as_to_teacher_forcing(champion, image, explained):
    expected = log_probabilities(champion.networks, image, CAPTION)
    assert explained.log_probabilities == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize(("row", "column"), [(0, 0), (2, 5), (6, 3)])
def test_occlusion_is_what_words_lose_when_that_place_is_grey(champion, image, explained, row, column):
    greyed = image.copy()
    greyed[16 * row : 16 * row + 16, 16 * column : 16 * column + 16] = GREY
    lost = explained.log_probabilities - log_probabilities(champion.networks, greyed, CAPTION)
    assert np.abs(lost).max() > 1e-3
    assert explained.occlusion[:, row, column] == pytest.approx(lost, abs=1e-4)


def test_attention_is_the_decoders_own(champion, image, explained):
    from keras import ops

    networks = champion.networks
    seen = networks.decoder.encode(networks.encoder(image[None]))
    state = networks.decoder.initial_state(seen)
    for place, token in enumerate(networks.vocabulary.encode(CAPTION, 9)[:7]):
        step = networks.decoder.step(seen, state, np.array([token]))
        state = step.state
        assert explained.attention[place].ravel() == pytest.approx(ops.convert_to_numpy(step.attention)[0], abs=1e-5)
    assert explained.attention.min() >= 0
    assert explained.attention.sum(axis=(1, 2)).max() <= 1 + 1e-5


def test_without_other_words_the_models_own_are_explained(champion, image):
    [caption] = champion.caption(image[None])
    own = explain(champion, image)
    assert " ".join(own.words) == caption.text
    assert own.log_probabilities.sum() >= caption.score * (len(own.words) + 1) - 1e-3  # the score counts `<end>` too


@pytest.mark.parametrize(
    ("caption", "words"), [("", ()), ("A zebra!", ("a", "[UNK]")), ("red " * 8, ("red",) * 8), ("a " * 17, ("a",) * 17)]
)
def test_any_words_can_be_explained(champion, image, caption, words):
    explained = explain(champion, image, caption)
    assert explained.words == words
    assert explained.occlusion.shape == explained.attention.shape == (len(words), 7, 7)


def test_a_decoder_without_attention_attends_nowhere(champion, image):
    from pipeline.model.network.decoder import Decoder

    words = Vocabulary.of(CAPTION.split()[:3])
    decoder = Decoder(DecoderSettings(fusion="early", units=8, embedding=8), len(words), 49, 128)
    decoder.build()
    explained = Explainer(Networks(champion.networks.encoder, decoder, words)).explain(image, "a red circle")
    assert not explained.attention.any()
    assert explained.occlusion.any()


@pytest.mark.parametrize(("side", "positions"), [(112, 49), (224, 49), (299, 64), (299, 100)])
def test_every_pixel_is_greyed_once(side, positions):
    black = np.zeros((side, side, 3), np.uint8)
    first, *greyed = _with_each_cell_greyed(black, positions)
    assert not first.any()
    assert len(greyed) == positions
    assert (np.sum([copy[..., 0] > 0 for copy in greyed], axis=0) == 1).all()


def test_a_model_that_shows_only_captions_is_refused(image):
    others = SimpleNamespace(name="painter", version="3", engine="onnx", caption=None)
    with pytest.raises(SettingsError, match=r"painter version 3 runs on onnx"):
        explain(others, image)
