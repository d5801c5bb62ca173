"""Epoch after epoch, resumed at the step where a crash struck; the last epoch that keeps up with the best is kept."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pipeline.core.errors import SettingsError
from pipeline.core.settings import SelfCriticalSettings, TrainingSettings
from pipeline.training import checkpoint
from pipeline.training.validation_score import ValidationScore, ValidationSet

if TYPE_CHECKING:
    from pipeline.training.trainer import Trainer

log = logging.getLogger(__name__)

DECODER_WEIGHTS = "decoder.weights.h5"
STEPS_BETWEEN_LINES = 100

ProgressCallback = Callable[[dict[str, float]], None]


@dataclass
class Progress:
    """How far training has come."""

    epoch: int = 0  # epochs done
    # A row an epoch: the stage's own metric, a `ValidationScore` of greedy captions, and seconds.
    curves: list[dict[str, float]] = field(default_factory=list)
    best_epoch: int = 0  # the epoch whose validation captions were best, from 1; 0 when what it began with was
    best: dict[str, float] = field(default_factory=dict)  # the best epoch's row
    kept_epoch: int = 0  # the last epoch whose captions keep up with the best's, see `TrainingLoop.tolerance`
    kept: dict[str, float] = field(default_factory=dict)  # the kept epoch's row

    def stale(self, patience: int) -> bool:
        """Whether so many epochs brought nothing better."""
        return self.epoch - self.best_epoch >= patience


@dataclass
class EpochProgress:
    """How far the epoch after those has come."""

    steps: int = 0
    total: float = 0.0  # sum of the steps' metric
    seconds: float = 0.0  # in all processes that took some


@dataclass(frozen=True)
class TrainingLoop:
    """A stage of training."""

    name: str
    metric: str  # the name of what a step reports: the loss in nats a word, or the mean reward
    trainer: Trainer
    settings: TrainingSettings | SelfCriticalSettings
    # Takes an epoch, from 1, and how many of its steps are done; yields the metric of each other step.
    epoch_metrics: Callable[[int, int], Iterator[float]]
    validation: ValidationSet
    folder: Path  # where checkpoints lie, and the kept epoch's weights afterwards
    checkpoint_minutes: float  # between checkpoints within an epoch; there is one after each epoch besides
    whole_first: bool = False  # whether whole captions count before their score
    # How far below the best a later epoch may score and be kept, in standard errors of the mean. Half of one is that of
    # the difference of two epochs, most of whose captions are alike.
    tolerance: float = 0.0

    def run(self, watch: ProgressCallback, before: Progress | None = None) -> Progress:
        """Train from `before` to the end or until captions get no better; `folder/decoder.weights.h5` is the kept epoch's."""
        progress, underway = self._resume() or (before or Progress(), EpochProgress())
        while progress.epoch < self.settings.epochs and not progress.stale(self.settings.patience):
            self._epoch(progress, underway)
            underway = EpochProgress()
            self._save(progress, underway)
            watch(progress.curves[-1])
        return progress

    @property
    def _kept_file(self) -> Path:
        return self.folder / DECODER_WEIGHTS

    def _resume(self) -> tuple[Progress, EpochProgress] | None:
        restored = checkpoint.restore_checkpoint(self.folder, self.trainer.variables, self._kept_file)
        if restored is None:
            return None
        progress, underway = Progress(**restored["progress"]), EpochProgress(**restored["underway"])
        steps = f" and {underway.steps} steps" if underway.steps else ""
        log.info("%s: resuming after epoch %d%s", self.name, progress.epoch, steps)
        return progress, underway

    def _save(self, progress: Progress, underway: EpochProgress) -> None:
        position = checkpoint.Position(progress.epoch, underway.steps)
        state = {"progress": asdict(progress), "underway": asdict(underway)}
        kept = self._kept_file if progress.kept_epoch else None
        checkpoint.save_checkpoint(self.folder, position, self.trainer.variables, state, kept)

    def _epoch(self, progress: Progress, underway: EpochProgress) -> None:
        started = time.monotonic() - underway.seconds
        epoch = progress.epoch + 1
        mean = self._steps(progress, underway)
        with self.trainer.average.in_place_of(self.trainer.decoder.trainable_variables):
            score = self.validation.score(self.trainer, self.settings.batch_size)
            self._check_finite(score, epoch)
            row = {self.metric: mean, **score.as_dict(), "seconds": time.monotonic() - started}
            better = not progress.best or score.better_than(ValidationScore.of(progress.best), self.whole_first)
            if better:
                progress.best_epoch, progress.best = epoch, row
            best = ValidationScore.of(progress.best)
            if better or (self.tolerance and score.keeps_up_with(best, self.whole_first, self.tolerance)):
                progress.kept_epoch, progress.kept = epoch, row
                scratch = self.folder / f".new.{DECODER_WEIGHTS}"
                self.trainer.decoder.save_weights(scratch)
                scratch.replace(self._kept_file)
        progress.epoch, progress.curves = epoch, [*progress.curves, row]
        figures = ", ".join(f"{name} {value:.4g}" for name, value in row.items())
        log.info("%s: epoch %d of %d, %s", self.name, epoch, self.settings.epochs, figures)

    def _steps(self, progress: Progress, underway: EpochProgress) -> float:
        """Take the epoch's steps that are left; the mean metric of all of them."""
        epoch, recent = progress.epoch + 1, deque[float](maxlen=STEPS_BETWEEN_LINES)
        began, before = time.monotonic(), underway.seconds
        saved = began
        for value in self.epoch_metrics(epoch, underway.steps):
            recent.append(value)
            now = time.monotonic()
            underway.steps, underway.total = underway.steps + 1, underway.total + value
            underway.seconds = before + now - began
            if underway.steps % STEPS_BETWEEN_LINES == 0:
                log.info("%s: epoch %d, step %d, %.3f", self.name, epoch, underway.steps, np.mean(recent))
            if now - saved >= 60 * self.checkpoint_minutes:
                self._save(progress, underway)
                saved = time.monotonic()
        return underway.total / underway.steps

    def _check_finite(self, score: ValidationScore, epoch: int) -> None:
        if not np.isfinite(score.loss):
            raise SettingsError(
                f"training diverged: the validation loss of epoch {epoch} is {score.loss}; "
                f"lower the {self.name} stage's learning rate (given {self.settings.learning_rate:g}) or training.clip_norm"
            )
