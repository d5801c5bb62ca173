"""Outputs of trainings as the store has them, without training."""

from __future__ import annotations

import pandas as pd

from pipeline.files import sha256, write_json
from pipeline.stages import Store


def listed(pictures):
    """Columns of a snapshot's images, from names and splits."""
    rows = [(name, f"/data/{name}", sha256(name.encode()), split, 1) for name, split in pictures.items()]
    return pd.DataFrame(rows, columns=["image", "uri", "sha256", "split", "bytes"])


def write_images(pictures):
    return lambda folder: listed(pictures).to_parquet(folder / "images.parquet")


def train(home, source, pictures, bundle_digest, left_out=(), store=None):
    """The outputs of a whole training that made a bundle of some digest, by stage."""
    store = store or Store(home.store)
    kept = {name: split for name, split in pictures.items() if name not in left_out}
    done = {}

    def stage(name, inputs, build):
        output = store.run(name, 1, {}, {each: done[each].digest for each in inputs}, build)
        done[name] = output

    done["snapshot"] = store.run("snapshot", 1, {}, {"source": source}, write_images(pictures))
    stage("validate", ["snapshot"], write_images(kept))
    facts = {"name": "scenes", "digest": "e" * 64, "weights": "encoder.weights.h5"}
    stage("encoder", ["validate"], lambda folder: write_json(folder / "encoder.json", facts))
    stage("train", ["validate", "encoder"], lambda folder: None)
    stage("bundle", ["train"], lambda folder: write_json(folder / "figures.json", {"bundle_digest": bundle_digest}))
    return done
