"""train: fit the decoder, choose the epoch by validation loss, resume where a crash struck."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.errors import SettingsError
from pipeline.features import FeatureStore
from pipeline.files import write_json
from pipeline.settings import DecoderSettings, TrainingSettings, TrainSettings
from pipeline.stages import Output
from pipeline.training import checkpoint
from pipeline.training.choice import Choice, Quality
from pipeline.training.examples import Examples
from pipeline.training_run import TrainingRun
from pipeline.vocabulary import Vocabulary

if TYPE_CHECKING:
    from pipeline.training.step import Fitter

log = logging.getLogger(__name__)

VERSION = 2
WEIGHTS = "decoder.weights.h5"
STEPS_BETWEEN_LINES = 100

Watch = Callable[[dict[str, float]], None]


@dataclass
class Progress:
    """How far training has come.

    Attributes:
        epoch: epochs done.
        curves: a row an epoch: train_loss, val_loss (nats a word), val_cider_d (greedy), seconds.
        best_epoch: the epoch whose validation captions scored highest, from 1.
    """

    epoch: int = 0
    curves: list[dict[str, float]] = field(default_factory=list)
    best_epoch: int = 0

    @property
    def best(self) -> dict[str, float]:
        """The best epoch's row of the curves."""
        return self.curves[self.best_epoch - 1]

    def stale(self, patience: int) -> bool:
        """Whether so many epochs brought nothing better."""
        return self.epoch - self.best_epoch >= patience


def train(run: TrainingRun, watch: Watch) -> Output:
    """Write `decoder.weights.h5` of the best epoch, and the curves; raises as `fit`."""
    settings = run.settings
    groups = {
        "decoder": settings.decoder.model_dump(mode="json"),
        "training": settings.training.model_dump(mode="json"),
    }
    inputs = run.inputs("validate", "adapt_vocabulary", "extract_features")

    unfinished = run.store.scratch("train", {"version": VERSION, **groups, **inputs})

    def build(folder: Path) -> None:
        words = Vocabulary.read(run.output("adapt_vocabulary").path / "vocabulary.txt")
        data = FeatureStore.of(run)
        cut = settings.training.max_words
        fit_on = Examples.of(run.accepted, "train", words, data, cut)
        progress = fit(settings, fit_on, Choice.of(run.accepted, words, data, cut), unfinished, watch)
        shutil.copyfile(unfinished / WEIGHTS, folder / WEIGHTS)
        write_json(folder / "figures.json", asdict(progress) | {"best": progress.best})

    output = run.store.run("train", VERSION, groups, inputs, build)
    shutil.rmtree(unfinished, ignore_errors=True)  # only now: a crash before the output is in place must not cost it
    return output


def fit(settings: TrainSettings, fit_on: Examples, choose_on: Choice, folder: Path, watch: Watch) -> Progress:
    """Train to the end or until captions get no better, a checkpoint in `folder` each epoch.

    The best epoch's weights lie in `folder/decoder.weights.h5` afterwards.

    Raises:
        SettingsError: the loss became infinite or no number.
    """
    import keras

    from pipeline.training.precision import policy
    from pipeline.training.step import Fitter

    chosen = settings.training
    keras.utils.set_random_seed(chosen.seed)
    keras.config.set_dtype_policy(policy())
    try:
        decoder = _new_decoder(settings.decoder, choose_on.words, fit_on)
        fitter = Fitter(decoder, chosen, len(fit_on.order(chosen.batch_size, 0, 0)) * chosen.epochs)
        progress = _resume(folder, fitter.variables)
        while progress.epoch < chosen.epochs and not progress.stale(chosen.patience):
            _epoch(fitter, chosen, progress, fit_on, choose_on, folder)
            checkpoint.save(folder, progress.epoch, fitter.variables, asdict(progress))
            watch(progress.curves[-1])
    finally:
        keras.config.set_dtype_policy("float32")
    return progress


def _new_decoder(settings: DecoderSettings, vocabulary: Vocabulary, examples: Examples) -> Any:
    from pipeline.model.decoder import Decoder

    _, positions, channels = examples.features.gather(examples.shas[:1]).shape
    decoder = Decoder(settings, len(vocabulary), positions, channels)
    decoder.build()
    return decoder


def _resume(folder: Path, variables: list[Any]) -> Progress:
    found = checkpoint.restore(folder, variables)
    if found is None:
        return Progress()
    log.info("train: resuming after epoch %d", found["epoch"])
    return Progress(**found)


def _epoch(
    fitter: Fitter, settings: TrainingSettings, progress: Progress, fit_on: Examples, choose_on: Choice, folder: Path
) -> None:
    started = time.monotonic()
    epoch = progress.epoch + 1
    train_loss = _fit_epoch(fitter, settings, fit_on, epoch)
    quality = choose_on.judge(fitter, settings.batch_size)
    _check_finite(quality, settings, epoch)
    row = {
        "train_loss": train_loss,
        "val_loss": -quality.negative_loss,
        "val_cider_d": quality.cider_d,
        "seconds": time.monotonic() - started,
    }
    if not progress.curves or quality > Quality(progress.best["val_cider_d"], -progress.best["val_loss"]):
        progress.best_epoch = epoch
        _save_weights(fitter.decoder, folder)
    progress.epoch, progress.curves = epoch, [*progress.curves, row]
    log.info(
        "train: epoch %d of %d, loss %.3f, val loss %.3f, val CIDEr-D %.3f, %.0f s",
        epoch,
        settings.epochs,
        *row.values(),
    )


def _fit_epoch(fitter: Fitter, settings: TrainingSettings, fit_on: Examples, epoch: int) -> float:
    """One pass over the training pairs; their mean loss in nats a word."""
    losses: list[float] = []
    steps = len(fit_on.order(settings.batch_size, settings.seed, epoch))
    for batch in fit_on.batches(settings.batch_size, settings.seed, epoch):
        losses.append(fitter.fit(batch))
        if len(losses) % STEPS_BETWEEN_LINES == 0:
            recent = np.mean(losses[-STEPS_BETWEEN_LINES:])
            log.info("train: epoch %d, step %d of %d, loss %.3f", epoch, len(losses), steps, recent)
    return float(np.mean(losses))


def _check_finite(quality: Quality, settings: TrainingSettings, epoch: int) -> None:
    if not np.isfinite(quality.negative_loss):
        raise SettingsError(
            f"training diverged: the validation loss of epoch {epoch} is {-quality.negative_loss}; "
            f"lower training.learning_rate (given {settings.learning_rate:g}) or training.clip_norm"
        )


def _save_weights(decoder: Any, folder: Path) -> None:
    scratch = folder / f".new.{WEIGHTS}"
    decoder.save_weights(scratch)
    scratch.replace(folder / WEIGHTS)


def load_decoder(run: TrainingRun) -> tuple[Any, Vocabulary]:
    """The trained decoder, in float32, and its words."""
    from pipeline.model.decoder import Decoder

    shape = run.output("extract_features").figures()
    words = Vocabulary.read(run.output("adapt_vocabulary").path / "vocabulary.txt")
    decoder = Decoder(run.settings.decoder, len(words), shape["positions"], shape["channels"])
    decoder.build()
    decoder.load_weights(run.output("refine").path / WEIGHTS)
    return decoder, words
