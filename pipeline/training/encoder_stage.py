"""The encoder as a stage: weights that exist are named by digest, the small one for scenes is trained."""

from __future__ import annotations

import logging
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.core.errors import DatasetRejected, SettingsError
from pipeline.core.settings.training import EncoderSettings
from pipeline.data.snapshot import read_images
from pipeline.data.sources.base import LabelledBox
from pipeline.imaging.sandbox import Work, pixels_of_each
from pipeline.model.int8_encoder import INT8_GRAPH, INT8_NUMBERS, Int8Encoder
from pipeline.model.network import keras
from pipeline.model.network.encoder import (
    IMAGENET,
    Architecture,
    Encoder,
    architecture,
    build_encoder,
    weights_digest,
    weights_sha256,
)
from pipeline.model.network.frozen import FrozenEncoder
from pipeline.storage.files import digest_of, read_json, sha256_file, write_json
from pipeline.storage.stage_outputs import StageOutput
from pipeline.training.quantise import CALIBRATION_IMAGES, quantise
from pipeline.training.run import TrainingRun

log = logging.getLogger(__name__)

_VERSION, _INT8_VERSION = 1, 1
ENCODER_WEIGHTS = "encoder.weights.h5"
_BATCH = 16  # small batches learn the shapes five times better than 64 in the same epochs
LEARNING_RATE = 3e-3


def provide_encoder(run: TrainingRun) -> StageOutput:
    """Write `encoder.json`: name, where its weights lie, their digest, the side if the settings change it, and with the engine int8 the digest of that."""
    output = _float_encoder(run)
    return _int8_stage(run, output) if run.settings.encoder.engine == "int8" else output


def _float_encoder(run: TrainingRun) -> StageOutput:
    settings = run.settings.encoder
    if settings.name == "scenes":
        return _train_stage(run) if "start" not in run.done else _kept_stage(run)
    digest = weights_digest(settings.name, settings.weights, settings.weights_sha256)
    weights = settings.weights if settings.weights == IMAGENET else str(Path(settings.weights).resolve())
    facts: dict[str, str | int] = {"name": settings.name, "weights": weights, "digest": digest}
    facts |= {"side": settings.side} if settings.side else {}
    if "start" in run.done:
        _check_same(run.output("start").path / ENCODER_WEIGHTS, settings.name, weights)

    def build(folder: Path) -> None:
        values = {"values_sha256": _keras_values(settings)} if weights == IMAGENET else {}
        write_json(folder / "encoder.json", facts | values)

    # Keras' weights have only a name: with a pin they are another output, for which they are checked anew.
    pin = {"pinned": settings.weights_sha256} if weights == IMAGENET and settings.weights_sha256 else {}
    output = run.store.run("encoder", _VERSION, facts | pin, {}, build)
    if values := read_json(output.path / "encoder.json").get("values_sha256"):  # earlier versions wrote none
        log.info(
            "encoder.weights=imagenet: the values of %s have the SHA-256 %s, which encoder.weights_sha256 can pin",
            settings.name,
            values,
        )
    return output


def _keras_values(settings: EncoderSettings) -> str:
    """The SHA-256 of the values of Keras' weights; SettingsError if another is pinned."""
    values = weights_sha256(build_encoder(settings.name, IMAGENET))
    if settings.weights_sha256 not in {None, values}:
        raise SettingsError(
            f"encoder.weights=imagenet: the values of {settings.name} have the SHA-256 {values}, not "
            f"encoder.weights_sha256, {settings.weights_sha256}; remove them from Keras' cache (~/.keras/models), or "
            f"change the setting, or empty it, if it was of a weights file"
        )
    return values


def load_encoder(encoder: StageOutput) -> Encoder:
    """The frozen network of a finished encoder stage; SettingsError if its weights are not those of that time."""
    facts = read_json(encoder.path / "encoder.json")
    if facts["weights"] == ENCODER_WEIGHTS:
        return build_encoder(facts["name"], encoder.path / ENCODER_WEIGHTS)
    if facts["weights"] != IMAGENET:
        return _load_file(facts)
    network = build_encoder(facts["name"], IMAGENET, facts.get("side"))
    if facts.get("values_sha256") not in (None, weights_sha256(network)):  # earlier versions wrote none
        raise SettingsError(
            f"encoder.weights=imagenet: Keras' weights of {facts['name']} are not those of {encoder.path}; "
            "remove them from Keras' cache (~/.keras/models), or give a file with encoder.weights"
        )
    return network


def _load_file(facts: dict[str, Any]) -> Encoder:
    """Load a copy, which nobody else can change between its hash and its use."""
    weights = Path(facts["weights"])
    with tempfile.TemporaryDirectory() as scratch:
        try:
            copy = Path(shutil.copyfile(weights, Path(scratch) / weights.name))
        except OSError as error:
            raise SettingsError(f"encoder.weights: cannot read {weights}: {error.strerror or error}") from error
        if sha256_file(copy) != facts["digest"]:
            raise SettingsError(
                f"encoder.weights: {weights} has changed since this training began; "
                "put the former file back, or start the training again"
            )
        try:
            return build_encoder(facts["name"], copy, facts.get("side"))
        except SettingsError as error:
            raise SettingsError(str(error).replace(str(copy), str(weights))) from error


def load_frozen_encoder(encoder: StageOutput, batch: int) -> FrozenEncoder | Int8Encoder:
    """What the version's engine computes, as a graph for batches of one size."""
    facts = read_json(encoder.path / "encoder.json")
    if "int8_digest" in facts:
        return Int8Encoder(encoder.path / INT8_GRAPH, facts["name"], batch)
    return FrozenEncoder(load_encoder(encoder), batch)


def _int8_stage(run: TrainingRun, before: StageOutput) -> StageOutput:
    """The encoder in 8 bits, calibrated on training images; its float weights stay beside it."""
    settings = run.settings.encoder

    def build(folder: Path) -> None:
        facts = read_json(before.path / "encoder.json")
        if facts["weights"] == ENCODER_WEIGHTS:
            shutil.copyfile(before.path / ENCODER_WEIGHTS, folder / ENCODER_WEIGHTS)
        encoder = load_encoder(before)
        images = run.accepted.images_of("train").drop_duplicates("sha256").sort_values("sha256")
        read = read_images(run.source, images.head(CALIBRATION_IMAGES))
        work = Work.within(run.limits, encoder.facts.side, settings.fit)
        seen = [each for _, each in pixels_of_each(read, work)]
        quantise(encoder, seen, folder, settings.float_layers)
        digest = digest_of([sha256_file(folder / name) for name in (INT8_GRAPH, INT8_NUMBERS)])
        write_json(folder / "encoder.json", facts | {"int8_digest": digest})

    recipe = settings.model_dump(mode="json", include={"engine", "fit", "float_layers"})
    inputs = {"encoder": before.digest, **run.inputs("validate")}
    return run.store.run("encoder", _INT8_VERSION, recipe, inputs, build)


def _kept_stage(run: TrainingRun) -> StageOutput:
    """The small encoder of the version that training starts from: its decoder was trained on those features."""

    def build(folder: Path) -> None:
        shutil.copyfile(run.output("start").path / ENCODER_WEIGHTS, folder / ENCODER_WEIGHTS)
        _describe_scenes_encoder(folder)

    return run.store.run("encoder", _VERSION, {"name": "scenes"}, run.inputs("start"), build)


def _describe_scenes_encoder(folder: Path) -> None:
    digest = sha256_file(folder / ENCODER_WEIGHTS)
    write_json(folder / "encoder.json", {"name": "scenes", "weights": ENCODER_WEIGHTS, "digest": digest})


def _check_same(kept: Path, name: str, weights: str) -> None:
    before, given = (build_encoder(name, file).backbone.get_weights() for file in (kept, weights))
    if any(not np.array_equal(*pair) for pair in zip(before, given, strict=True)):
        raise SettingsError(
            f"encoder.weights={weights}: training.start_from names a version with other weights of {name}; "
            "give the weights it was trained with"
        )


def _train_stage(run: TrainingRun) -> StageOutput:
    def build(folder: Path) -> None:
        model, figures = train_scenes_encoder(run)
        model.backbone.save_weights(folder / ENCODER_WEIGHTS)
        _describe_scenes_encoder(folder)
        write_json(folder / "figures.json", figures)

    recipe = run.settings.encoder.model_dump(mode="json", include={"name", "epochs", "fit"})
    return run.store.run("encoder", _VERSION, recipe, run.inputs("validate"), build)


def train_scenes_encoder(run: TrainingRun) -> tuple[Encoder, dict[str, Any]]:
    """Train the small network to predict, at each cell of its grid, the words of the object there."""
    keras.utils.set_random_seed(0)
    epochs = run.settings.encoder.epochs
    words = sorted({word for label in run.accepted.objects_of("train")["label"] for word in label.split()})
    if not words:
        raise DatasetRejected(
            "encoder.name=scenes learns from known objects, and this source has none; choose another encoder"
        )
    encoder = build_encoder("scenes", None)
    encoder.trainable = True
    logits = keras.layers.Conv2D(len(words), 1)(encoder.backbone.output)  # [n, rows, columns, words]
    scaled = keras.Sequential([keras.layers.Rescaling(1 / 127.5, -1.0), keras.Model(encoder.backbone.input, logits)])
    images, targets = _examples(run, "train", words)
    schedule = _schedule(-(-len(images) // _BATCH) * epochs)
    scaled.compile(keras.optimizers.Adam(schedule), keras.losses.BinaryCrossentropy(from_logits=True))
    log_losses = keras.callbacks.LambdaCallback(on_epoch_end=_log_epoch)
    validation = _examples(run, "val", words)
    history = scaled.fit(images, targets, _BATCH, epochs, 0, [log_losses], validation_data=validation)
    encoder.trainable = False
    return encoder, {"words": words, "loss": history.history["loss"], "val_loss": history.history["val_loss"]}


def _log_epoch(epoch: int, losses: dict[str, float]) -> None:
    log.info("encoder epoch %d: loss %.4f, validation %.4f", epoch + 1, losses["loss"], losses["val_loss"])


def _schedule(steps: int) -> Any:
    """Warm-up over a tenth of the steps, then a cosine down to nothing."""
    warmup = max(1, steps // 10)
    return keras.optimizers.schedules.CosineDecay(
        0.0, max(1, steps - warmup), warmup_target=LEARNING_RATE, warmup_steps=warmup
    )


def _examples(run: TrainingRun, split: str, words: list[str]) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32]]:
    """Pixels uint8 [n, side, side, 3] and words float32 [n, rows, columns, words], 0 or 1."""
    facts, fit = architecture("scenes"), run.settings.encoder.fit
    images, boxes = run.accepted.images_of(split), run.accepted.boxes(split)
    data = dict(pixels_of_each(read_images(run.source, images), Work.within(run.limits, facts.side, fit)))
    rows = images[["image", "width", "height"]].values.tolist()
    targets = [_cells(boxes[image], width, height, facts, words) for image, width, height in rows]
    return np.stack([data[sha] for sha in images["sha256"]]), np.stack(targets)


def _cells(
    boxes: list[LabelledBox], width: int, height: int, facts: Architecture, words: list[str]
) -> npt.NDArray[np.float32]:
    """Mark the cells an object covers, at least the one its centre lies in, with the words of its label."""
    rows = round(facts.positions**0.5)
    target = np.zeros((rows, rows, len(words)), np.float32)
    for box in boxes:
        left, right = _covered(box.left, box.width, width, rows)
        top, bottom = _covered(box.top, box.height, height, rows)
        target[top:bottom, left:right, [words.index(word) for word in box.label.split()]] = 1
    return target


def _covered(start: float, length: float, total: int, cells: int) -> tuple[int, int]:
    """First and past-the-last cell whose centre the interval covers."""
    scale = cells / total
    centre = min(cells - 1, int((start + length / 2) * scale))
    first, last = round(start * scale), round((start + length) * scale)
    return min(first, centre), max(last, centre + 1)
