"""The training's own step, many times, on a made-up task that needs no data.

Run as a module it is a process that takes the steps on whichever device it sees, and prints its result as a line of JSON.
"""

from __future__ import annotations

import json
import math
import statistics
import sys
import time
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.core.settings import DecoderSettings, TrainingSettings
from pipeline.model.vocabulary import END, PADDING, START
from pipeline.training.batches import Batch

POSITIONS, CHANNELS, _VOCABULARY = 49, 256, 400
_IMAGES, BATCHES, _KINDS, _CAPTIONS = 16, 8, 24, 2
# As in the preset `coco`, but narrow. No dropout: another precision draws other masks.
_DECODER = DecoderSettings(fusion="hybrid", gate=True, tied=True, embedding=128, units=256, dropout=0.0)
_TRAINING = TrainingSettings(average=0.99, clip_norm=0.5)  # low, so that clipping acts


def take_steps(precision: str, steps: int, weights: Path) -> dict[str, Any]:
    """Train a decoder on made-up images, from `weights`, or fresh ones which are then written there.

    `precision` is a Keras dtype policy; under `float32` products are not rounded to TF32 either. Returns JSON: `losses`
    in nats a word, None where one is no number; `weights_on`, the kind of device that they lie on; `cudnn`, how often
    each of cuDNN's recurrent operations is in the step's graph; `loops`, how many loops are, as a GRU without cuDNN is
    one; `first_step_s`, with tracing; `step_s`, the median of the others; `peak_gpu_bytes`, None without a GPU.
    """
    import keras
    import tensorflow as tf

    from pipeline.model.network.decoder import Decoder
    from pipeline.training.trainer import Trainer

    tf.config.experimental.enable_tensor_float_32_execution(precision != "float32")
    keras.utils.set_random_seed(_TRAINING.seed)
    keras.config.set_dtype_policy(precision)
    try:
        batches = made_up_batches()
        decoder = Decoder(_DECODER, _VOCABULARY, POSITIONS, CHANNELS)
        decoder.build()
        decoder.standardise(np.concatenate([batch.features for batch in batches]))
        (decoder.load_weights if weights.is_file() else decoder.save_weights)(weights)
        trainer = Trainer(decoder, _TRAINING, steps)
        losses, seconds = [], []
        for batch in islice(cycle(batches), steps):
            started = time.perf_counter()
            losses.append(trainer.train_step(batch))  # it waits for the device
            seconds.append(time.perf_counter() - started)
    finally:
        keras.config.set_dtype_policy("float32")
    operations = trainer.operations()
    devices = {tf.DeviceSpec.from_string(weight.value.device).device_type for weight in decoder.weights}
    memory = tf.config.experimental.get_memory_info("GPU:0") if tf.config.list_logical_devices("GPU") else {}
    return {
        "precision": precision,
        "losses": [loss if math.isfinite(loss) else None for loss in losses],
        "weights_on": sorted(devices),
        "cudnn": {name: count for name, count in sorted(operations.items()) if name.startswith("CudnnRNN")},
        "loops": operations["While"] + operations["StatelessWhile"],
        "first_step_s": round(seconds[0], 4),
        "step_s": round(statistics.median(seconds[1:]), 5),
        "peak_gpu_bytes": memory.get("peak"),
    }


def made_up_batches() -> list[Batch]:
    """Images of a few kinds, each kind with its own two captions of one length."""
    random = np.random.default_rng(0)
    prototypes = np.maximum(random.normal(size=(_KINDS, POSITIONS, CHANNELS)), 0)
    lengths = 5 + np.arange(_KINDS) % 8
    captions = [random.integers(END + 1, _VOCABULARY, (_CAPTIONS, length)) for length in lengths]

    def batch() -> Batch:
        kinds = random.integers(_KINDS, size=_IMAGES)
        noise = np.abs(random.normal(0, 0.3, (_IMAGES, POSITIONS, CHANNELS)))
        tokens = np.full((_IMAGES * _CAPTIONS, lengths[kinds].max() + 2), PADDING, np.int32)
        for row, words in zip(tokens, (words for kind in kinds for words in captions[kind]), strict=True):
            row[: len(words) + 2] = [START, *words, END]
        images = np.repeat(np.arange(_IMAGES, dtype=np.int32), _CAPTIONS)
        return Batch((prototypes[kinds] + noise).astype(np.float16), images, tokens)

    return [batch() for _ in range(BATCHES)]


def main(precision: str, steps: str, weights: str) -> None:
    """Take the steps and print what came of them."""
    sys.stdout.write(json.dumps(take_steps(precision, int(steps), Path(weights))) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
