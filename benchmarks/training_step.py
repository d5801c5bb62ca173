"""A training step of the starting design and ours, at the same number of words, in one run.

    taskset -c 0 python -m benchmarks.training_step [--rounds 5]

The starting design takes pairs of an image and a caption, and runs its frozen network on each image. Ours takes features
that lie ready, of images with five captions. Seconds are the process's own CPU time; weights are random.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from statistics import median

import keras
import numpy as np

from benchmarks.starting_design import SIDE, STARTING_WORDS, starting_step
from pipeline.core.processor import processor_flags
from pipeline.core.settings import train_settings
from pipeline.model.network.decoder import Decoder
from pipeline.model.vocabulary import END, START
from pipeline.training.batches import Batch
from pipeline.training.trainer import Trainer

IMAGES, CAPTIONS = 16, 5
CAPTION_WORDS = 11
POSITIONS, CHANNELS = 64, 1536  # of InceptionResNetV2


def main() -> None:
    """Print a line a way of training, with its ratio to the first."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    print(f"{os.cpu_count()} cores, {' '.join(processor_flags())}")
    print(f"{STARTING_WORDS:,} words, captions of {CAPTION_WORDS}, medians of {rounds} rounds")
    ways = {
        "starting design, the frozen network in every step": (_starting(), IMAGES),
        "ours, exact output": (_ours("exact"), IMAGES * CAPTIONS),
        "ours, training.output=sampled": (_ours("sampled"), IMAGES * CAPTIONS),
    }
    for way, _ in ways.values():
        way()  # compiles
    rates = {name: [] for name in ways}  # type: dict[str, list[float]]
    for _ in range(rounds):
        for name, (way, pairs) in ways.items():
            rates[name].append(pairs / _cpu_seconds(way))
    first = median(next(iter(rates.values())))
    for name, each in rates.items():
        print(f"{median(each):7.1f} pairs a CPU-second, {median(each) / first:5.1f}x: {name}")


def _starting() -> Callable[[], object]:
    step, random = starting_step(), np.random.default_rng(0)
    images = random.integers(0, 256, (IMAGES, SIDE, SIDE, 3), dtype=np.uint8)
    return lambda: step(images, _tokens(IMAGES))


def _ours(output: str) -> Callable[[], object]:
    """A step on features, with the decoder of the preset `flickr8k`."""
    keras.utils.set_random_seed(0)
    settings = train_settings({"preset": "flickr8k", "training": {"output": output}})
    decoder = Decoder(settings.decoder, STARTING_WORDS, POSITIONS, CHANNELS)
    decoder.build()
    trainer = Trainer(decoder, settings.training, steps=1000)
    features = np.random.default_rng(0).random((IMAGES, POSITIONS, CHANNELS)).astype(np.float16)
    owners = np.repeat(np.arange(IMAGES, dtype=np.int32), CAPTIONS)
    return lambda: trainer.train_step(Batch(features, owners, _tokens(IMAGES * CAPTIONS)))


def _tokens(captions: int) -> np.ndarray:
    """int32 [captions, places], with the marks of begin and end."""
    tokens = np.random.default_rng(1).integers(4, STARTING_WORDS, (captions, CAPTION_WORDS + 2), dtype=np.int32)
    tokens[:, 0], tokens[:, -1] = START, END
    return tokens


def _cpu_seconds(call: Callable[[], object]) -> float:
    started = time.process_time()
    call()
    return time.process_time() - started


if __name__ == "__main__":
    main()
