"""Continuing from a registered version."""

import numpy as np
import pytest

from pipeline import train_captioner as stages
from pipeline.errors import ModelNotFound, SettingsError
from pipeline.settings import VocabularySettings, assign, train_settings
from pipeline.training.refine import load_decoder
from pipeline.training_run import TrainingRun
from pipeline.vocabulary import Vocabulary
from pipeline.vocabulary_adaptation import adapt

CHAMPION = "models:/captioner@champion"


def continuing(tiny_run, **settings):
    """The tiny run's successor, its encoder provided."""
    values = tiny_run.settings.model_dump(mode="json")
    for name, value in {"training.start_from": CHAMPION, **settings}.items():
        assign(values, name.replace("__", "."), value)
    run = TrainingRun(train_settings(values), tiny_run.home)
    for stage in (stages.snapshot, stages.validate, stages.adapt_vocabulary, stages.provide_encoder):
        run = stage(run)
    return run


def words_of(run):
    return Vocabulary.read(run.output("adapt_vocabulary").path / "vocabulary.txt")


def test_known_words_keep_their_ids_and_new_ones_follow():
    known = Vocabulary.of(["zebra", "dog"])
    grown = adapt(VocabularySettings(vocabulary_size=8), ["a dog", "a dog barks", "a a"], known)
    assert grown.words == (*known.words, "a", "barks")


def test_known_words_stay_however_small_the_vocabulary_shall_be():
    known = Vocabulary.of(["zebra", "dog", "cat", "mouse", "horse"])
    assert adapt(VocabularySettings(vocabulary_size=8), ["a dog"], known) == known


def test_it_begins_with_the_versions_words_encoder_and_weights(tiny_run):
    run = continuing(tiny_run, training__learning_rate=1e-9, source__scene_seed=8)
    before, after = words_of(tiny_run), words_of(run)
    assert after.words[: len(before)] == before.words
    assert run.output("encoder").figures() == {}  # not trained again, though the pictures are others
    for shard in range(run.settings.encoder.shards):
        stages.extract_shard(run, shard)
    run = stages.refine(stages.train(stages.extract_features(run)))
    old, new = load_decoder(tiny_run)[0], load_decoder(run)[0]
    for one, other in zip(old.weights, new.weights, strict=True):
        known = tuple(slice(0, size) for size in one.shape)
        np.testing.assert_allclose(np.asarray(other)[known], np.asarray(one), atol=1e-5)


def test_another_version_behind_the_alias_is_another_training(tiny_run):
    run = continuing(tiny_run)
    assert {"start"} <= run.done.keys()
    recipes = [run.inputs("start", "adapt_vocabulary"), tiny_run.inputs("adapt_vocabulary")]
    assert recipes[0]["adapt_vocabulary"] != recipes[1]["adapt_vocabulary"]


@pytest.mark.parametrize(("name", "value"), [("decoder.units", 48), ("decoder.fusion", "late"), ("encoder.fit", "pad")])
def test_another_architecture_is_refused(tiny_run, name, value):
    with pytest.raises(SettingsError, match=rf"{name}=.*asks for {value}; set {name}="):
        continuing(tiny_run, **{name.replace(".", "__"): value})


def test_a_version_that_is_not_there_is_refused(tiny_run):
    with pytest.raises(ModelNotFound):
        continuing(tiny_run, training__start_from="models:/captioner/99")
