"""Continuing from a registered version."""

from dataclasses import replace

import numpy as np
import pytest

from pipeline.core.errors import ModelNotFound, SettingsError
from pipeline.core.settings import VocabularySettings, assign, train_settings
from pipeline.data.sources.factory import open_source
from pipeline.model.vocabulary import Vocabulary
from pipeline.registry.lineage import START_TAG
from pipeline.registry.promotions import Promotions
from pipeline.release.register import _tags
from pipeline.storage.files import digest_of
from pipeline.training import run as training_run
from pipeline.training.features import FeatureStore
from pipeline.training.refine import load_decoder
from pipeline.training.run import TrainingRun
from pipeline.training.vocabulary_stage import adapt
from pipeline.training_pipeline import run_until

CHAMPION = "models:/captioner@champion"


def continuing(tiny_run, **settings):
    """The tiny run's successor, its encoder provided."""
    values = tiny_run.settings.model_dump(mode="json")
    for name, value in {"training.start_from": CHAMPION, **settings}.items():
        assign(values, name.replace("__", "."), value)
    return run_until("provide_encoder", TrainingRun(train_settings(values), tiny_run.home))


def words_of(run):
    return Vocabulary.read(run.output("adapt_vocabulary").path / "vocabulary.txt")


def test_known_words_keep_their_ids_and_new_ones_follow():
    known = Vocabulary.of(["zebra", "dog"])
    grown = adapt(VocabularySettings(vocabulary_size=8), ["a dog", "a dog barks", "a a"], known)
    assert grown.words == (*known.words, "a", "barks")


def test_known_words_stay_however_small_the_vocabulary_shall_be():
    known = Vocabulary.of(["zebra", "dog", "cat", "mouse", "horse"])
    assert adapt(VocabularySettings(vocabulary_size=8), ["a dog"], known) == known


class Reworded:
    """A source whose people have begun to say `disc` and `crimson`."""

    def __init__(self, source):
        self.source, self.read = source, source.read

    def fingerprint(self):
        return digest_of([self.source.fingerprint(), "reworded"])

    def captioned_images(self):
        for each in self.source.captioned_images():
            texts = (text.replace("circle", "disc").replace("red", "crimson") for text in each.captions)
            yield replace(each, captions=tuple(texts))


def test_it_begins_with_the_versions_words_encoder_and_weights(tiny_run, monkeypatch):
    monkeypatch.setattr(training_run, "open_source", lambda *named: Reworded(open_source(*named)))
    # Of another collection, so that its new words are no drift, nor what later tests are compared with.
    others = {"source__scene_seed": 8, "source__people_terms": "neutral"}
    run = continuing(tiny_run, training__learning_rate=1e-9, **others)
    before, after = words_of(tiny_run), words_of(run)
    assert after.words[: len(before)] == before.words
    assert set(after.words[len(before) :]) == {"disc", "crimson"}
    assert run.output("encoder").figures() == {}  # not trained again, though the images are others
    run = run_until("refine", run)
    old, new = load_decoder(tiny_run)[0], load_decoder(run)[0]
    for one, other in zip(old.weights, new.weights, strict=True):
        known = tuple(slice(0, size) for size in one.shape)
        np.testing.assert_allclose(np.asarray(other)[known], np.asarray(one), atol=1e-5)
    grown = [other.shape for one, other in zip(old.weights, new.weights, strict=True) if one.shape != other.shape]
    assert grown
    assert all(len(after) in shape for shape in grown)
    assert np.asarray(new.embed.embeddings)[len(before) :].any(axis=1).all()
    features = FeatureStore.of(tiny_run).gather(list(tiny_run.accepted.images_of("val")["sha256"])[:4])
    result = np.array([before.encode("two blue", 2)] * len(features))
    logits = np.asarray(new(features, result))[..., : len(before)]
    np.testing.assert_allclose(logits, np.asarray(old(features, result)), atol=1e-4)


def test_another_version_behind_the_alias_is_another_training(tiny_run):
    run = continuing(tiny_run)
    assert {"start"} <= run.done.keys()
    recipes = [run.inputs("start", "adapt_vocabulary"), tiny_run.inputs("adapt_vocabulary")]
    assert recipes[0]["adapt_vocabulary"] != recipes[1]["adapt_vocabulary"]


def test_its_version_says_what_it_began_with(tiny_run, monkeypatch):
    monkeypatch.setattr(TrainingRun, "scores", lambda run: {"scores": {"cider_d": 0.5}, "test_digest": "3" * 64})
    champion = Promotions(tiny_run.home).champion("captioner")
    assert _tags(continuing(tiny_run), "4" * 64)[START_TAG] == champion.digest
    assert START_TAG not in _tags(tiny_run, "4" * 64)


@pytest.mark.parametrize(("name", "value"), [("decoder.units", 48), ("decoder.fusion", "late"), ("encoder.fit", "pad")])
def test_another_architecture_is_refused(tiny_run, name, value):
    with pytest.raises(SettingsError, match=rf"{name}=.*asks for {value}; set {name}="):
        continuing(tiny_run, **{name.replace(".", "__"): value})


def test_a_version_that_is_not_there_is_refused(tiny_run):
    with pytest.raises(ModelNotFound):
        continuing(tiny_run, training__start_from="models:/captioner/99")
