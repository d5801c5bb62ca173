"""train: fit the decoder to people's captions, choosing the epoch by its validation captions."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pipeline.core.settings import DecoderSettings, TrainSettings
from pipeline.model.vocabulary import Vocabulary
from pipeline.storage.files import write_json
from pipeline.storage.stage_outputs import StageOutput
from pipeline.training.batches import Examples
from pipeline.training.features import FeatureStore
from pipeline.training.loop import DECODER_WEIGHTS, Progress, ProgressCallback, TrainingLoop
from pipeline.training.run import TrainingRun
from pipeline.training.validation_score import ValidationSet
from pipeline.training.warm_start import load_initial_weights

_VERSION = 5
STANDARD_IMAGES = 1024  # in the order of their digests; more do not change what is typical


def train(run: TrainingRun, watch: ProgressCallback = lambda row: None) -> StageOutput:
    """Write `decoder.weights.h5` of the kept epoch, and the curves; raises as `fit`."""
    settings = run.settings
    groups = recipe_of(settings, len(_vocabulary(run)))
    inputs = run.inputs("validate", "adapt_vocabulary", "extract_features", *({"start"} & run.done.keys()))
    # The checkpoints go only with the end of the block: a crash before the output is in place must not cost them.
    with run.store.resuming("train", {"version": _VERSION, **groups}, inputs) as unfinished:

        def build(folder: Path) -> None:
            examples, validation = splits(run)
            start = run.output("start") if "start" in run.done else None
            progress = fit(settings, examples, validation, unfinished, watch, start)
            shutil.copyfile(unfinished / DECODER_WEIGHTS, folder / DECODER_WEIGHTS)
            write_json(folder / "figures.json", asdict(progress))

        return run.store.run("train", _VERSION, groups, inputs, build)


def recipe_of(settings: TrainSettings, words: int) -> dict[str, dict[str, Any]]:
    """The settings in the digest of an output whose vocabulary has so many words."""
    training = settings.training.model_dump(mode="json", exclude={"checkpoint_minutes", "output"})
    if settings.training.samples_output(words):
        training["output"] = "sampled"  # only then: outputs and checkpoints are older than the setting
    return {"decoder": settings.decoder.model_dump(mode="json"), "training": training}


def splits(run: TrainingRun) -> tuple[Examples, ValidationSet]:
    """What is fitted, and what chooses."""
    words = _vocabulary(run)
    views = [FeatureStore.of(run, view) for view in range(run.settings.encoder.views)]
    cut = run.settings.training.max_words
    examples = Examples.of(run.accepted, "train", words, views, cut, run.settings.training.corrections_weight)
    return examples, ValidationSet.of(run.accepted, words, views[0], cut)


def _vocabulary(run: TrainingRun) -> Vocabulary:
    return Vocabulary.read(run.output("adapt_vocabulary").path / "vocabulary.txt")


def fit(
    settings: TrainSettings,
    examples: Examples,
    validation: ValidationSet,
    folder: Path,
    watch: ProgressCallback,
    start: StageOutput | None = None,
) -> Progress:
    """Train, from a version's weights where there is one, until captions get no better; see `TrainingLoop.run`."""
    from pipeline.training.precision import training_precision
    from pipeline.training.trainer import Trainer

    chosen = settings.training
    with training_precision(chosen.seed):
        decoder = new_decoder(settings.decoder, validation.words, examples)
        if start is not None:
            load_initial_weights(decoder, start)
        trainer = Trainer(decoder, chosen, len(examples.order(chosen.batch_size, 0, 0)) * chosen.epochs)

        def epoch_metrics(epoch: int, done: int) -> Iterator[float]:
            return map(trainer.train_step, examples.batches(chosen.batch_size, chosen.seed, epoch, done))

        # Which of two like epochs scores higher is luck, and the later one knows more words.
        tolerance, minutes = 0.5, chosen.checkpoint_minutes
        stage = TrainingLoop(
            "train", "loss", trainer, chosen, epoch_metrics, validation, folder, minutes, tolerance=tolerance
        )
        return stage.run(watch)


def new_decoder(settings: DecoderSettings, vocabulary: Vocabulary, examples: Examples) -> Any:
    """A decoder with fresh weights for these features and words."""
    from pipeline.model.network.decoder import Decoder

    features = examples.views[0].gather(examples.shas[:STANDARD_IMAGES])
    decoder = Decoder(settings, len(vocabulary), *features.shape[1:])
    decoder.build()
    if settings.standardised:
        decoder.standardise(features)
    return decoder
