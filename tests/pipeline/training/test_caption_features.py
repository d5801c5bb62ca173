import numpy as np
import pytest

from pipeline.core.settings import DecoderSettings, DecodingSettings
from pipeline.model.network.decoder import Decoder
from pipeline.model.network.generation import Generator
from pipeline.model.vocabulary import Vocabulary
from pipeline.training.caption_features import FEATURE_BATCH, caption_features
from pipeline.training.features import FeatureStore

WORDS = Vocabulary.of(["red", "blue", "dog", "cat", "sits", "runs"])


@pytest.fixture(scope="module")
def generator():
    decoder = Decoder(DecoderSettings(embedding=8, units=8), len(WORDS), 3, 5)
    decoder.build()
    decoder.write.kernel.assign(decoder.write.kernel * 4.0)
    return Generator(decoder, DecodingSettings(beam_width=2, max_words=4), len(WORDS))


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    features = FeatureStore(tmp_path_factory.mktemp("features"))
    grids = np.random.default_rng(0).normal(size=(FEATURE_BATCH + 2, 3, 5))
    features.add([f"{number:064d}" for number in range(FEATURE_BATCH + 2)], grids)
    return features


@pytest.mark.parametrize("count", [1, FEATURE_BATCH, FEATURE_BATCH + 2])
def test_each_image_gets_its_own_best_caption_however_many_there_are(generator, store, count):
    shas = [f"{number:064d}" for number in reversed(range(count))]
    captions = caption_features(generator, WORDS, store, shas)
    assert len(captions) == count
    tokens, scores = generator(store.gather(shas).astype("float32"))
    assert [caption.text for caption in captions] == [WORDS.decode(row[0].tolist()) for row in np.asarray(tokens)]
    np.testing.assert_allclose([caption.score for caption in captions], np.asarray(scores)[:, 0], atol=1e-5)
    assert len({caption.text for caption in captions}) > count // 16


def test_no_image_has_no_caption(generator, store):
    assert caption_features(generator, WORDS, store, []) == []
