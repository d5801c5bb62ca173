"""refine: train on the reward of whole captions (Rennie et al., CVPR 2017); left out, the weights stay as they are."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.core.settings import SelfCriticalSettings, TrainSettings
from pipeline.model.vocabulary import PADDING, Vocabulary
from pipeline.storage.files import write_json
from pipeline.storage.stage_outputs import StageOutput
from pipeline.training.batches import Batch, Examples
from pipeline.training.loop import DECODER_WEIGHTS, Progress, ProgressCallback, TrainingLoop
from pipeline.training.reward import Reward, advantages
from pipeline.training.run import TrainingRun
from pipeline.training.train import new_decoder, splits
from pipeline.training.validation_score import ValidationSet

_VERSION = 4


def refine(run: TrainingRun, watch: ProgressCallback = lambda row: None) -> StageOutput:
    """Write `decoder.weights.h5` of the kept epoch, what it began with among them, and the curves."""
    recipe = run.settings.self_critical.model_dump(mode="json")
    inputs = run.inputs("train")
    with run.store.resuming("refine", {"version": _VERSION, **recipe}, inputs) as unfinished:

        def build(folder: Path) -> None:
            before = run.output("train")
            row = before.figures()["kept"]
            progress = Progress(best=row, kept=row)
            if run.settings.self_critical.epochs:
                progress = criticise(run.settings, before, *splits(run), unfinished, watch)
            kept = unfinished if progress.kept_epoch else before.path
            shutil.copyfile(kept / DECODER_WEIGHTS, folder / DECODER_WEIGHTS)
            write_json(folder / "figures.json", asdict(progress))

        return run.store.run("refine", _VERSION, recipe, inputs, build)


def criticise(
    settings: TrainSettings,
    before: StageOutput,
    examples: Examples,
    validation: ValidationSet,
    folder: Path,
    watch: ProgressCallback,
) -> Progress:
    """Train from the first stage's weights to the end or until captions get no better; see `TrainingLoop.run`."""
    from pipeline.training.precision import training_precision
    from pipeline.training.trainer import Trainer

    chosen = settings.self_critical
    with training_precision(settings.training.seed):
        decoder = new_decoder(settings.decoder, validation.words, examples)
        decoder.load_weights(before.path / DECODER_WEIGHTS)
        optimisation = settings.training.model_copy(update={"learning_rate": chosen.learning_rate})
        steps = len(examples.order(chosen.batch_size, 0, 0)) * chosen.epochs
        trainer = Trainer(decoder, optimisation, steps, chosen.likelihood_weight)
        reward = Reward.of(validation.words, examples.captions(), chosen.bleu_weight)

        def epoch_metrics(epoch: int, done: int) -> Iterator[float]:
            for batch in examples.batches(chosen.batch_size, settings.training.seed, epoch, done):
                yield _step(trainer, batch, reward, chosen, settings.training.max_words)

        minutes = settings.training.checkpoint_minutes
        stage = TrainingLoop(
            "refine", "reward", trainer, chosen, epoch_metrics, validation, folder, minutes, whole_first=True
        )
        row = before.figures()["kept"]
        return stage.run(watch, Progress(best=row, kept=row))


def _step(trainer: Any, batch: Batch, reward: Reward, settings: SelfCriticalSettings, max_words: int) -> float:
    """Sample, reward, reinforce; returns the mean reward."""
    tokens = trainer.sample(batch.features, settings.samples, max_words)
    images = np.repeat(np.arange(len(batch.features), dtype=np.int32), settings.samples)
    rewards = reward(batch, tokens, images)
    longest = int((tokens != PADDING).sum(axis=1).max())
    sampled = Batch(batch.features, images, tokens[:, :longest])
    words = int((sampled.tokens[:, 1:] != PADDING).sum())
    trainer.reinforce(batch, sampled, advantages(rewards, settings.samples) / words)
    return float(rewards.mean())


def load_decoder(run: TrainingRun) -> tuple[Any, Vocabulary]:
    """The trained decoder, in float32, and its words."""
    from pipeline.model.network.decoder import Decoder

    shape = run.output("extract_features").figures()
    words = Vocabulary.read(run.output("adapt_vocabulary").path / "vocabulary.txt")
    decoder = Decoder(run.settings.decoder, len(words), shape["positions"], shape["channels"])
    decoder.build()
    decoder.load_weights(run.output("refine").path / DECODER_WEIGHTS)
    return decoder, words
