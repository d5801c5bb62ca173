import logging
import shutil
from dataclasses import replace

import numpy as np
import pytest

from pipeline.core.errors import SettingsError
from pipeline.core.settings import DecoderSettings, VocabularySettings
from pipeline.data.snapshot import Snapshot
from pipeline.model.vocabulary import PADDING, SPECIAL, Vocabulary
from pipeline.training.batches import Examples
from pipeline.training.features import FeatureStore
from pipeline.training.loop import DECODER_WEIGHTS
from pipeline.training.train import fit, new_decoder, recipe_of
from pipeline.training.validation_score import ValidationSet
from pipeline.training.vocabulary_stage import adapt
from tests.pipeline.training import toy

EPOCHS = 4


def losses(progress):
    return [(row["loss"], row["val_loss"], row["val_cider_d"]) for row in progress.curves]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A training that nothing interrupts: its folder and progress."""
    folder = tmp_path_factory.mktemp("whole") / "training"
    seen = []
    progress = toy.trained(folder, seen.append, epochs=EPOCHS)
    assert seen == progress.curves
    return folder, progress


def test_it_learns(whole):
    _, progress = whole
    assert progress.epoch == len(progress.curves) == EPOCHS
    assert progress.curves[-1]["loss"] < 0.9 * progress.curves[0]["loss"]
    assert progress.best == progress.curves[progress.best_epoch - 1] == toy.best_of(progress.curves)
    assert progress.kept == progress.curves[progress.kept_epoch - 1] == toy.kept_of(progress.curves, tolerance=0.5)
    assert all(row["seconds"] > 0 for row in progress.curves)


def test_captions_without_spaces_between_words_are_learnt(tmp_path, monkeypatch):
    def captions_of(number):
        return [f"一只{'红蓝绿灰'[number % 4]}色的{'狗猫鸟'[number % 3]}。"]

    words = adapt(VocabularySettings(), [text for number in range(12) for text in captions_of(number)])
    monkeypatch.setattr(toy, "captions_of", captions_of)
    monkeypatch.setattr(toy, "VOCABULARY", words)
    assert len(words) == len(SPECIAL) + 11
    progress = toy.trained(tmp_path / "training", epochs=12)
    assert progress.curves[-1]["val_cider_d"] > 1  # of captions that say something


@pytest.mark.parametrize("standardised", [True, False])
def test_inputs_are_standardised_if_asked_for(standardised, tmp_path):
    settings = DecoderSettings(standardised=standardised, embedding=64, units=12)
    decoder = new_decoder(settings, toy.VOCABULARY, toy.examples(tmp_path))
    features = toy.examples(tmp_path).views[0].gather(toy.examples(tmp_path).shas)
    seen = (features - np.asarray(decoder.centre)) / np.asarray(decoder.spread)
    assert np.allclose(seen.mean(axis=(0, 1)), 0, atol=0.01) == standardised
    assert (np.std(decoder.embed.embeddings) > 0.5) == standardised


def test_one_seed_gives_the_same_weights_bit_by_bit(whole, tmp_path):
    folder, progress = whole
    again = toy.trained(tmp_path / "training", epochs=EPOCHS)
    assert losses(again) == losses(progress)
    toy.assert_same(toy.arrays(tmp_path / "training"), toy.arrays(folder))


def test_struck_after_an_epoch_it_resumes_and_ends_the_same(whole, tmp_path, caplog):
    folder, progress = whole
    with pytest.raises(toy.Killed):
        toy.trained(tmp_path / "training", toy.strikes_after(1), epochs=EPOCHS)
    seen = []
    with caplog.at_level(logging.INFO):
        resumed = toy.trained(tmp_path / "training", seen.append, epochs=EPOCHS)
    assert "train: resuming after epoch 1" in caplog.text
    assert len(seen) == EPOCHS - 1
    assert losses(resumed) == losses(progress)
    toy.assert_same(toy.arrays(tmp_path / "training"), toy.arrays(folder))


def test_a_digest_names_the_output_only_where_it_is_sampled():
    """So outputs and checkpoints from before the setting stay in use."""
    small, exact, large = (
        recipe_of(toy.settings(output=output), words)["training"]
        for output, words in (("sampled", 2000), ("exact", 20_000), ("sampled", 20_000))
    )
    assert small == exact
    assert "output" not in small
    assert large == small | {"output": "sampled"}


@pytest.fixture
def many_words(monkeypatch):
    monkeypatch.setattr(
        toy, "VOCABULARY", Vocabulary.of([*toy.VOCABULARY.words[len(SPECIAL) :], *map(str, range(3000))])
    )


def test_a_sampled_output_learns_and_struck_it_resumes_and_ends_the_same(many_words, tmp_path):
    chosen = {"output": "sampled", "epochs": 3, "checkpoint_minutes": 0.0, "learning_rate": 0.05}
    whole = toy.trained(tmp_path / "whole", **chosen)
    assert whole.curves[-1]["val_loss"] < 0.8 * np.log(len(toy.VOCABULARY))  # judged over all words
    with pytest.raises(toy.Killed):
        toy.trained(tmp_path / "training", toy.strikes_after(1), **chosen)
    assert losses(toy.trained(tmp_path / "training", **chosen)) == losses(whole)
    toy.assert_same(toy.arrays(tmp_path / "training"), toy.arrays(tmp_path / "whole"))


def test_killed_at_any_moment_it_resumes_and_ends_the_same(tmp_path):
    epochs = 15
    toy.killed_after(3, tmp_path / "training", epochs)
    seen = []
    resumed = toy.trained(tmp_path / "training", seen.append, epochs=epochs)
    assert 0 < len(seen) <= epochs - 3
    uninterrupted = toy.trained(tmp_path / "uninterrupted", epochs=epochs)
    assert losses(resumed) == losses(uninterrupted)
    toy.assert_same(toy.arrays(tmp_path / "training"), toy.arrays(tmp_path / "uninterrupted"))


def test_with_the_newest_checkpoint_truncated_it_takes_the_one_before(whole, tmp_path, caplog):
    folder, progress = whole
    shutil.copytree(folder, tmp_path / "training")
    path = tmp_path / "training" / f"epoch-{EPOCHS:04d}-step-0000000" / "variables.npz"
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with caplog.at_level(logging.INFO):
        resumed = toy.trained(tmp_path / "training", epochs=EPOCHS)
    [warning] = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert warning.startswith(f"checkpoint epoch-{EPOCHS:04d}-step-0000000 is damaged")
    assert f"resuming after epoch {EPOCHS - 1}" in caplog.text
    assert losses(resumed) == losses(progress)
    assert path.stat().st_size == len(data)
    toy.assert_same(toy.arrays(tmp_path / "training"), toy.arrays(folder))


def test_done_it_does_nothing_more(whole, tmp_path):
    folder, progress = whole
    shutil.copytree(folder, tmp_path / "training")
    seen = []
    assert toy.trained(tmp_path / "training", seen.append, epochs=EPOCHS) == progress
    assert seen == []


def decoder_of(settings, folder):
    from pipeline.model.network.decoder import Decoder

    decoder = Decoder(settings.decoder, len(toy.VOCABULARY), toy.POSITIONS, toy.CHANNELS)
    decoder.build()
    decoder.load_weights(folder / DECODER_WEIGHTS)
    return decoder


def captions_by(decoder, examples):
    from pipeline.core.settings import DecodingSettings
    from pipeline.model.network.generation import Generator

    generator = Generator(decoder, DecodingSettings(method="greedy"), len(toy.VOCABULARY))
    tokens, _ = generator(examples.views[0].gather(examples.shas).astype("float32"))
    return [toy.VOCABULARY.decode(row[0].tolist()) for row in np.asarray(tokens)]


def test_it_stops_when_captions_get_no_better_and_keeps_the_last_that_keeps_up(tmp_path):
    import keras

    from pipeline.metrics.scores import score_captions
    from pipeline.training.loss import likelihood

    folder = tmp_path / "training"
    progress = toy.trained(folder, epochs=200, patience=2, learning_rate=0.02)
    assert progress.epoch == progress.best_epoch + 2 < 200
    assert progress.best == toy.best_of(progress.curves)
    assert progress.kept == toy.kept_of(progress.curves, tolerance=0.5)
    assert progress.kept["val_cider_d"] > 0
    decoder, validation = decoder_of(toy.settings(), folder), toy.choice(tmp_path / "features")
    pairs = validation.examples
    counts = np.diff(pairs.starts)
    features = np.repeat(pairs.views[0].gather(pairs.shas), counts, axis=0).astype("float32")
    real = pairs.tokens[:, 1:] != PADDING
    each = likelihood(np.asarray(decoder(features, pairs.tokens[:, :-1]))[real], pairs.tokens[:, 1:][real])
    assert -np.mean(each) == pytest.approx(progress.kept["val_loss"], rel=1e-5)
    written = dict(zip(pairs.shas, captions_by(decoder, pairs), strict=True))
    texts = {image: written[sha] for image, sha in validation.shas.items()}
    score = score_captions(validation.references, texts, meteor=False).scores["cider_d"]
    assert score == pytest.approx(progress.kept["val_cider_d"])
    assert keras.config.dtype_policy().name == "float32"


def test_a_tiny_model_learns_two_images_by_heart(tmp_path):
    from pipeline.core.settings import DecoderSettings

    taken = toy.snapshot(train=2, val=0)
    two = Snapshot(taken.images, taken.captions[taken.captions["position"] == 1], taken.objects)
    pairs = Examples.of(two, "train", toy.VOCABULARY, [toy.features(tmp_path / "features", taken)], 30)
    shas = dict(zip(two.images["image"], two.images["sha256"], strict=True))
    same = ValidationSet(pairs, two.references("train"), shas, toy.VOCABULARY)
    settings = toy.settings(epochs=40, learning_rate=0.05, label_smoothing=0.0)
    settings = settings.model_copy(update={"decoder": DecoderSettings(embedding=8, units=12, dropout=0.0)})
    progress = fit(settings, pairs, same, tmp_path, lambda row: None)
    assert progress.kept["val_loss"] < 0.05
    assert captions_by(decoder_of(settings, tmp_path), pairs) == [toy.captions_of(0)[1], toy.captions_of(1)[1]]


def test_a_training_that_diverges_says_what_to_lower(tmp_path):
    examples = toy.examples(tmp_path / "features")
    shas = list(dict.fromkeys(examples.shas))
    lost = FeatureStore(tmp_path / "lost")
    lost.add(shas, np.full((len(shas), toy.POSITIONS, toy.CHANNELS), np.nan))
    broken = replace(examples, views=(lost,))
    with pytest.raises(
        SettingsError, match=r"diverged: .* epoch 1 is nan; lower the train stage's learning rate \(given 0\.01\)"
    ):
        fit(toy.settings(), broken, toy.choice(tmp_path / "features"), tmp_path, lambda row: None)
    assert not (tmp_path / DECODER_WEIGHTS).exists()


def test_averaging_changes_what_is_evaluated_and_not_what_is_trained(whole, tmp_path):
    _, averaged = whole
    plain = toy.trained(tmp_path / "training", epochs=EPOCHS, average=0.0)
    assert [row["loss"] for row in plain.curves] == [row["loss"] for row in averaged.curves]
    assert plain.curves[-1]["val_loss"] != averaged.curves[-1]["val_loss"]
