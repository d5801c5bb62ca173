"""A small captioned dataset without pictures: features and captions that belong together.

Tests import it, and so do the processes they kill.
"""

import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.features import FeatureStore
from pipeline.files import sha256, write_json
from pipeline.settings import DecoderSettings, SelfCriticalSettings, TrainingSettings, TrainSettings
from pipeline.snapshot import SCHEMAS, Snapshot
from pipeline.stages import Output
from pipeline.training.choice import Choice
from pipeline.training.examples import Examples
from pipeline.training.refine import criticise
from pipeline.training.train import fit
from pipeline.vocabulary import Vocabulary

POSITIONS, CHANNELS = 3, 5
COLOURS, ANIMALS = ("red", "blue", "green", "grey"), ("dog", "cat", "bird")
VOCABULARY = Vocabulary.of(["a", "big", "very", "small", "sits", *COLOURS, *ANIMALS])


def captions_of(number):
    """Two captions of an even number, three of an odd one."""
    thing = f"{COLOURS[number % 4]} {ANIMALS[number % 3]}"
    return [f"a {thing}", f"a very big {thing} sits", thing][: 2 + number % 2]


def snapshot(train=10, val=4):
    names = [f"{number}.png" for number in range(train + val)]
    splits = ["train"] * train + ["val"] * val
    images = [(name, name, sha256(name.encode()), split, 1) for name, split in zip(names, splits, strict=True)]
    rows = [
        (name, place, text)
        for number, name in enumerate(names)
        for place, text in enumerate(captions_of(number if splits[number] == "train" else number - train))
    ]
    tables = {"images": images, "captions": rows, "objects": []}
    return Snapshot(*(pd.DataFrame(tables[name], columns=schema.names) for name, schema in SCHEMAS.items()))


def features(folder, taken):
    """Random features, a little like those of pictures that have the same captions."""
    store = FeatureStore(folder)
    rows = taken.images
    numbers = [int(name.removesuffix(".png")) for name in rows["image"]]
    first_val = sum(rows["split"] == "train")
    seeds = [number if number < first_val else number - first_val for number in numbers]
    store.add(
        list(rows["sha256"]),
        np.stack([np.random.default_rng(seed).normal(size=(POSITIONS, CHANNELS)) for seed in seeds]),
    )
    return store


def examples(folder, split="train", max_words=30):
    taken = snapshot()
    return Examples.of(taken, split, VOCABULARY, [features(Path(folder), taken)], max_words)


def choice(folder):
    taken = snapshot()
    return Choice.of(taken, VOCABULARY, features(Path(folder), taken), 30)


def settings(self_critical=None, **training):
    values = {"seed": 5, "epochs": 4, "batch_size": 4, "learning_rate": 0.01, "patience": 1000, "average": 0.7}
    reward = {"epochs": 4, "batch_size": 4, "learning_rate": 0.01, "patience": 1000, **(self_critical or {})}
    return TrainSettings(
        training=TrainingSettings(**{**values, **training}),
        self_critical=SelfCriticalSettings(**reward),
        decoder=DecoderSettings(embedding=8, units=12, dropout=0.2),
    )


def trained(folder, watch=lambda row: None, **training):
    """Fit on the toy dataset with checkpoints in `folder`; returns the progress."""
    folder.mkdir(parents=True, exist_ok=True)
    data = folder.parent / "features"
    progress = fit(settings(**training), examples(data), choice(data), folder, watch)
    write_json(folder / "figures.json", asdict(progress))
    return progress


def refined(folder, first, watch=lambda row: None, **self_critical):
    """Train on from the folder of a first stage, with checkpoints in `folder`; returns the progress."""
    folder.mkdir(parents=True, exist_ok=True)
    data = folder.parent / "features"
    before = Output("train", "", first)
    return criticise(settings(self_critical), before, VOCABULARY, examples(data), choice(data), folder, watch)


if __name__ == "__main__":
    sys.stdout.reconfigure(line_buffering=True)
    target, number, *first_stage = sys.argv[1:]
    stage = refined if first_stage else trained
    stage(Path(target), *map(Path, first_stage), watch=lambda row: sys.stdout.write("epoch\n"), epochs=int(number))
