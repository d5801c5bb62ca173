"""A small captioned dataset without images: features and captions that belong together.

Tests import it, and so do the processes they kill.
"""

import os
import signal
import subprocess
import sys
from dataclasses import asdict
from itertools import count
from pathlib import Path

import h5py
import numpy as np
import pandas as pd

from pipeline.core.settings import DecoderSettings, SelfCriticalSettings, TrainingSettings, TrainSettings
from pipeline.data.snapshot import SCHEMAS, Snapshot
from pipeline.model.vocabulary import Vocabulary
from pipeline.storage.files import sha256, write_json
from pipeline.storage.stage_outputs import StageOutput
from pipeline.training.batches import Examples
from pipeline.training.features import FeatureStore
from pipeline.training.loop import DECODER_WEIGHTS
from pipeline.training.refine import criticise
from pipeline.training.train import fit
from pipeline.training.validation_score import ValidationScore, ValidationSet

POSITIONS, CHANNELS = 3, 5
COLOURS, ANIMALS = ("red", "blue", "green", "grey"), ("dog", "cat", "bird")
VOCABULARY = Vocabulary.of(["a", "big", "very", "left", "right", "sits", *COLOURS, *ANIMALS])


def captions_of(number):
    """Two captions of an even number, three of an odd one."""
    thing = f"{COLOURS[number % 4]} {ANIMALS[number % 3]}"
    return [f"a {thing}", f"a very big {thing} sits", f"{thing} left"][: 2 + number % 2]


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


def features(folder, taken, mirrored=False):
    """Random features, a little like those of images that have the same captions."""
    store = FeatureStore(folder / ("mirrored" if mirrored else "whole"))
    rows = taken.images
    numbers = [int(name.removesuffix(".png")) for name in rows["image"]]
    first_val = sum(rows["split"] == "train")
    seeds = [number if number < first_val else number - first_val for number in numbers]
    grids = [np.random.default_rng(seed).normal(size=(POSITIONS, CHANNELS)) for seed in seeds]
    store.add(list(rows["sha256"]), np.stack([grid[::-1] if mirrored else grid for grid in grids]))
    return store


def examples(folder, split="train", max_words=30):
    """Pairs of a split in two views, the second one mirrored."""
    taken = snapshot()
    views = [features(folder, taken, mirrored) for mirrored in (False, True)]
    return Examples.of(taken, split, VOCABULARY, views, max_words)


def choice(folder):
    taken = snapshot()
    return ValidationSet.of(taken, VOCABULARY, features(folder, taken), 30)


def settings(self_critical=None, **training):
    values = {"seed": 5, "epochs": 4, "batch_size": 4, "learning_rate": 0.01, "patience": 1000, "average": 0.7}
    reward = {"epochs": 4, "batch_size": 4, "learning_rate": 0.02, "samples": 10, "patience": 1000}
    return TrainSettings(
        training=TrainingSettings(**{**values, **training}),
        self_critical=SelfCriticalSettings(**{**reward, **(self_critical or {})}),
        decoder=DecoderSettings(embedding=8, units=12, dropout=0.2),
    )


def trained(folder, watch=lambda row: None, **training):
    """Fit on the toy dataset with checkpoints in `folder`; returns the progress."""
    folder.mkdir(parents=True, exist_ok=True)
    data = folder.parent / "features"
    progress = fit(settings(**training), examples(data), choice(data), folder, watch)
    write_json(folder / "figures.json", asdict(progress))
    return progress


def refined(folder, first, watch=lambda row: None, checkpoint_minutes=5.0, **self_critical):
    """Train on from the folder of a first stage, with checkpoints in `folder`; returns the progress."""
    folder.mkdir(parents=True, exist_ok=True)
    data = folder.parent / "features"
    before = StageOutput("train", "", first)
    chosen = settings(self_critical, checkpoint_minutes=checkpoint_minutes)
    return criticise(chosen, before, examples(data), choice(data), folder, watch)


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
    actual = {}
    with h5py.File(folder / DECODER_WEIGHTS) as file:
        file.visititems(lambda name, item: actual.update({name: item[()]} if isinstance(item, h5py.Dataset) else {}))
    newest = max(folder.glob("epoch-*"))
    with np.load(newest / "variables.npz") as variables:
        actual.update({f"{newest.name}/{name}": variables[name] for name in variables.files})
    return actual


def assert_same(one, other):
    assert one.keys() == other.keys()
    assert len(one) > 20
    different = [name for name in one if one[name].tobytes() != other[name].tobytes()]
    assert different == []


def best_of(curves, whole_first=False):
    """The row of the first of the best epochs."""
    best = curves[0]
    for row in curves[1:]:
        best = row if ValidationScore.of(row).better_than(ValidationScore.of(best), whole_first) else best
    return best


def kept_of(curves, whole_first=False, tolerance=0.0):
    """The row of the last epoch that kept up with the best so far; the best itself where no noise is forgiven."""
    if not tolerance:
        return best_of(curves, whole_first)
    keeping = (
        row
        for place, row in enumerate(curves)
        if ValidationScore.of(row).keeps_up_with(
            ValidationScore.of(best_of(curves[: place + 1], whole_first)), whole_first, tolerance
        )
    )
    return list(keeping)[-1]


def killed_after(number, *arguments):
    """Train in a process that is killed somewhere after so many epochs."""
    command = [sys.executable, __file__, *map(str, arguments)]
    environ = os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parents[3])}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environ, text=True) as child:
        assert [child.stdout.readline() for _ in range(number)] == ["epoch\n"] * number
        child.send_signal(signal.SIGKILL)
    assert child.returncode == -signal.SIGKILL


if __name__ == "__main__":
    sys.stdout.reconfigure(line_buffering=True)
    target, number, *first_stage = sys.argv[1:]
    stage = refined if first_stage else trained
    stage(Path(target), *map(Path, first_stage), watch=lambda row: sys.stdout.write("epoch\n"), epochs=int(number))
