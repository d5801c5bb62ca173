import logging
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from itertools import count
from pathlib import Path

import h5py
import numpy as np
import pytest
import toy

from pipeline.errors import SettingsError
from pipeline.features import FeatureStore
from pipeline.snapshot import Snapshot
from pipeline.training.choice import Choice, Quality
from pipeline.training.examples import Examples
from pipeline.training.epochs import WEIGHTS, Progress
from pipeline.training.train import fit

CHECKOUT = Path(__file__).resolve().parents[3]
EPOCHS = 4


class Killed(Exception):
    """Strikes a training from outside."""


def strikes_after(epoch):
    numbers = count(1)

    def watch(row):
        if next(numbers) == epoch:
            raise Killed

    return watch


def arrays(folder):
    """The best epoch's weights and the last checkpoint, by name."""
    found = {}
    with h5py.File(folder / WEIGHTS) as file:
        file.visititems(lambda name, item: found.update({name: item[()]} if isinstance(item, h5py.Dataset) else {}))
    newest = max(folder.glob("epoch-*"))
    with np.load(newest / "variables.npz") as variables:
        found.update({f"{newest.name}/{name}": variables[name] for name in variables.files})
    return found


def assert_same(one, other):
    assert one.keys() == other.keys()
    assert len(one) > 20
    different = [name for name in one if one[name].tobytes() != other[name].tobytes()]
    assert different == []


def losses(progress):
    return [(row["train"], row["val_loss"], row["val_cider_d"]) for row in progress.curves]


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
    assert progress.curves[-1]["train"] < 0.9 * progress.curves[0]["train"]
    assert progress.best == max(progress.curves, key=lambda row: (row["val_cider_d"], -row["val_loss"]))
    assert all(row["seconds"] > 0 for row in progress.curves)


def test_one_seed_gives_the_same_weights_bit_by_bit(whole, tmp_path):
    folder, progress = whole
    again = toy.trained(tmp_path / "training", epochs=EPOCHS)
    assert losses(again) == losses(progress)
    assert_same(arrays(tmp_path / "training"), arrays(folder))


def test_struck_after_an_epoch_it_resumes_and_ends_the_same(whole, tmp_path, caplog):
    folder, progress = whole
    with pytest.raises(Killed):
        toy.trained(tmp_path / "training", strikes_after(1), epochs=EPOCHS)
    seen = []
    with caplog.at_level(logging.INFO):
        resumed = toy.trained(tmp_path / "training", seen.append, epochs=EPOCHS)
    assert "train: resuming after epoch 1" in caplog.text
    assert len(seen) == EPOCHS - 1
    assert losses(resumed) == losses(progress)
    assert_same(arrays(tmp_path / "training"), arrays(folder))


def test_killed_at_any_moment_it_resumes_and_ends_the_same(tmp_path):
    epochs = 15
    command = [sys.executable, str(Path(toy.__file__)), str(tmp_path / "training"), str(epochs)]
    environ = os.environ | {"PYTHONPATH": str(CHECKOUT)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environ, text=True) as child:
        assert [child.stdout.readline() for _ in range(3)] == ["epoch\n"] * 3
        child.send_signal(signal.SIGKILL)
    assert child.returncode == -signal.SIGKILL
    seen = []
    resumed = toy.trained(tmp_path / "training", seen.append, epochs=epochs)
    assert 0 < len(seen) <= epochs - 3
    uninterrupted = toy.trained(tmp_path / "uninterrupted", epochs=epochs)
    assert losses(resumed) == losses(uninterrupted)
    assert_same(arrays(tmp_path / "training"), arrays(tmp_path / "uninterrupted"))


def test_with_the_newest_checkpoint_truncated_it_takes_the_one_before(whole, tmp_path, caplog):
    folder, progress = whole
    shutil.copytree(folder, tmp_path / "training")
    path = tmp_path / "training" / f"epoch-{EPOCHS:04d}" / "variables.npz"
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with caplog.at_level(logging.INFO):
        resumed = toy.trained(tmp_path / "training", epochs=EPOCHS)
    [warning] = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert warning.startswith(f"checkpoint epoch-{EPOCHS:04d} is damaged")
    assert f"resuming after epoch {EPOCHS - 1}" in caplog.text
    assert losses(resumed) == losses(progress)
    assert path.stat().st_size == len(data)
    assert_same(arrays(tmp_path / "training"), arrays(folder))


def test_done_it_does_nothing_more(whole, tmp_path):
    folder, progress = whole
    shutil.copytree(folder, tmp_path / "training")
    seen = []
    assert toy.trained(tmp_path / "training", seen.append, epochs=EPOCHS) == progress
    assert seen == []


def decoder_of(settings, folder):
    from pipeline.model.decoder import Decoder

    decoder = Decoder(settings.decoder, len(toy.VOCABULARY), toy.POSITIONS, toy.CHANNELS)
    decoder.build()
    decoder.load_weights(folder / WEIGHTS)
    return decoder


def captions_by(decoder, examples):
    from pipeline.model.decoding import Writer
    from pipeline.settings import DecodingSettings

    writer = Writer(decoder, DecodingSettings(method="greedy"), len(toy.VOCABULARY))
    tokens, _ = writer(examples.features.gather(examples.shas).astype("float32"))
    return [toy.VOCABULARY.decode(row[0].tolist()) for row in np.asarray(tokens)]


def test_it_stops_when_captions_get_no_better_and_keeps_the_best_epoch(tmp_path):
    import keras

    from pipeline.metrics.scores import score_captions
    from pipeline.training.loss import summed_loss

    folder = tmp_path / "training"
    progress = toy.trained(folder, epochs=200, patience=2, learning_rate=0.02)
    assert progress.epoch == progress.best_epoch + 2 < 200
    assert progress.best == max(progress.curves, key=lambda row: (row["val_cider_d"], -row["val_loss"]))
    assert progress.best["val_cider_d"] > 0
    decoder, choose_on = decoder_of(toy.settings(), folder), toy.choice(tmp_path / "features")
    pairs = choose_on.examples
    features = pairs.features.gather(pairs.shas).astype("float32")
    loss, words = summed_loss(decoder(features, pairs.tokens[:, :-1]), pairs.tokens[:, 1:], 0.0)
    assert float(loss / words) == pytest.approx(progress.best["val_loss"], rel=1e-5)
    written = dict(zip(pairs.shas, captions_by(decoder, pairs), strict=True))
    texts = {image: written[sha] for image, sha in choose_on.shas.items()}
    score = score_captions(choose_on.references, texts, meteor=False).scores["cider_d"]
    assert score == pytest.approx(progress.best["val_cider_d"])
    assert keras.config.dtype_policy().name == "float32"


def test_a_tiny_model_learns_two_pictures_by_heart(tmp_path):
    from pipeline.settings import DecoderSettings

    taken = toy.snapshot(train=2, val=0)
    two = Snapshot(taken.images, taken.captions[taken.captions["position"] == 1], taken.objects)
    pairs = Examples.of(two, "train", toy.VOCABULARY, toy.features(tmp_path / "features", taken), 30)
    shas = dict(zip(two.images["image"], two.images["sha256"], strict=True))
    same = Choice(pairs, two.references("train"), shas, toy.VOCABULARY)
    settings = toy.settings(epochs=40, learning_rate=0.05, label_smoothing=0.0)
    settings = settings.model_copy(update={"decoder": DecoderSettings(embedding=8, units=12, dropout=0.0)})
    progress = fit(settings, pairs, same, tmp_path, lambda row: None)
    assert progress.best["val_loss"] < 0.05
    assert captions_by(decoder_of(settings, tmp_path), pairs) == [toy.captions_of(0)[1], toy.captions_of(1)[1]]


def test_a_training_that_diverges_says_what_to_lower(tmp_path):
    fit_on = toy.examples(tmp_path / "features")
    shas = list(dict.fromkeys(fit_on.shas))
    lost = FeatureStore(tmp_path / "lost")
    lost.add(shas, np.full((len(shas), toy.POSITIONS, toy.CHANNELS), np.nan))
    broken = replace(fit_on, features=lost)
    with pytest.raises(
        SettingsError, match=r"diverged: .* epoch 1 is nan; lower training\.learning_rate \(given 0\.01"
    ):
        fit(toy.settings(), broken, toy.choice(tmp_path / "features"), tmp_path, lambda row: None)
    assert not (tmp_path / WEIGHTS).exists()


def test_patience_is_counted_from_the_best_epoch():
    progress = Progress(epoch=5, best_epoch=2)
    assert [progress.stale(patience) for patience in (2, 3, 4)] == [True, True, False]
    assert not Progress().stale(1)


def test_an_epoch_is_chosen_by_its_captions_and_only_then_by_its_loss():
    assert Quality(0.5, -3.0) > Quality(0.4, -1.0)
    assert Quality(0.5, -1.0) > Quality(0.5, -3.0)
