import logging
import os
import shutil
import signal
import subprocess
import sys
from itertools import count
from pathlib import Path

import h5py
import numpy as np
import pytest
import toy

from pipeline.errors import SettingsError
from pipeline.training.train import WEIGHTS, Progress

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
    return [(row["train_loss"], row["val_loss"]) for row in progress.curves]


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
    assert progress.curves[-1]["train_loss"] < 0.9 * progress.curves[0]["train_loss"]
    assert progress.best_loss == min(row["val_loss"] for row in progress.curves)
    assert progress.curves[progress.best_epoch - 1]["val_loss"] == progress.best_loss
    assert all(row["seconds"] > 0 for row in progress.curves)


def test_one_seed_gives_the_same_weights_bit_by_bit_and_another_does_not(whole, tmp_path):
    folder, progress = whole
    again = toy.trained(tmp_path / "training", epochs=EPOCHS)
    assert losses(again) == losses(progress)
    assert_same(arrays(tmp_path / "training"), arrays(folder))
    other = toy.trained(tmp_path / "other", epochs=1, seed=6)
    assert losses(other)[0] != losses(progress)[0]


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
    epochs = 25
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


@pytest.mark.parametrize("share", [0.5, 0.0])
def test_with_the_newest_checkpoint_truncated_it_takes_the_one_before(whole, tmp_path, caplog, share):
    folder, progress = whole
    shutil.copytree(folder, tmp_path / "training")
    path = tmp_path / "training" / f"epoch-{EPOCHS:04d}" / "variables.npz"
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
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


def test_it_stops_when_nothing_gets_better_and_keeps_the_best_epoch(tmp_path):
    import keras

    from pipeline.model.decoder import Decoder
    from pipeline.training.loss import summed_loss

    folder = tmp_path / "training"
    progress = toy.trained(folder, epochs=200, patience=2, learning_rate=0.05)
    assert progress.epoch < 200
    assert progress.epoch == progress.best_epoch + 2
    val = [row["val_loss"] for row in progress.curves]
    assert min(val) == val[progress.best_epoch - 1] < val[-1]
    decoder = Decoder(toy.settings().decoder, len(toy.VOCABULARY), toy.POSITIONS, toy.CHANNELS)
    decoder.build()
    decoder.load_weights(folder / WEIGHTS)
    choose_on = toy.examples(tmp_path / "features", "val")
    features = choose_on.features.gather(choose_on.shas).astype("float32")
    loss, words = summed_loss(decoder(features, choose_on.tokens[:, :-1]), choose_on.tokens[:, 1:], 0.0)
    assert float(loss / words) == pytest.approx(progress.best_loss, rel=1e-5)
    assert keras.config.dtype_policy().name == "float32"


def test_a_tiny_model_learns_two_pictures_by_heart(tmp_path):
    from pipeline.model.decoder import Decoder
    from pipeline.model.decoding import Writer
    from pipeline.settings import DecoderSettings, DecodingSettings
    from pipeline.training.examples import Examples
    from pipeline.training.train import fit

    taken = toy.snapshot(train=2, val=0)
    two = type(taken)(taken.images, taken.captions[taken.captions["position"] == 1], taken.objects)
    pairs = Examples.of(two, "train", toy.VOCABULARY, toy.features(tmp_path / "features", taken), 30)
    settings = toy.settings(epochs=60, learning_rate=0.03, label_smoothing=0.0)
    settings = settings.model_copy(update={"decoder": DecoderSettings(embedding=8, units=12, dropout=0.0)})
    progress = fit(settings, toy.VOCABULARY, pairs, pairs, tmp_path, lambda row: None)
    assert progress.best_loss < 0.05
    decoder = Decoder(settings.decoder, len(toy.VOCABULARY), toy.POSITIONS, toy.CHANNELS)
    decoder.build()
    decoder.load_weights(tmp_path / WEIGHTS)
    writer = Writer(decoder, DecodingSettings(method="greedy"), len(toy.VOCABULARY))
    tokens, _ = writer(pairs.features.gather(pairs.shas).astype("float32"))
    written = [toy.VOCABULARY.decode(row[0].tolist()) for row in np.asarray(tokens)]
    assert written == [toy.captions_of(0)[1], toy.captions_of(1)[1]]


def test_a_training_that_diverges_says_what_to_lower(tmp_path):
    fit_on = toy.examples(tmp_path / "features")
    huge = type(fit_on.features)(tmp_path / "huge")
    shas = list(dict.fromkeys(fit_on.shas))
    huge.add(shas, np.full((len(shas), toy.POSITIONS, toy.CHANNELS), np.nan))
    broken = type(fit_on)(huge, fit_on.shas, fit_on.tokens, fit_on.lengths)
    from pipeline.training.train import fit

    with pytest.raises(
        SettingsError, match=r"diverged: .* epoch 1 is nan; lower training\.learning_rate \(given 0\.01"
    ):
        fit(toy.settings(), toy.VOCABULARY, broken, broken, tmp_path, lambda row: None)
    assert not (tmp_path / WEIGHTS).exists()


def test_patience_is_counted_from_the_best_epoch():
    progress = Progress(epoch=5, curves=[{"val_loss": value} for value in (3.0, 1.0, 2.0, 2.0, 2.0)], best_epoch=2)
    assert progress.best_loss == 1.0
    assert [progress.stale(patience) for patience in (2, 3, 4)] == [True, True, False]
    assert not Progress().stale(1)
