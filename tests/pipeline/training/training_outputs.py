"""Outputs of trainings as the store has them, without training."""

from __future__ import annotations

import os
import time

import numpy as np
import pandas as pd

from pipeline.storage.files import sha256, write_json
from pipeline.storage.stage_outputs import Store
from pipeline.training.features import FeatureStore, features_folder


def listed(images):
    """Columns of a snapshot's images, from names and splits."""
    rows = [(name, f"/data/{name}", sha256(name.encode()), split, 1) for name, split in images.items()]
    return pd.DataFrame(rows, columns=["image", "uri", "sha256", "split", "bytes"])


def write_images(images):
    return lambda folder: listed(images).to_parquet(folder / "images.parquet")


def train(home, source, images, bundle_digest, left_out=(), encoder="e" * 64, *, begun_with=None):
    """The outputs of a whole training that made a bundle of some digest, perhaps from another's weights, by stage."""
    store = Store(home.store)
    kept = {name: split for name, split in images.items() if name not in left_out}
    done = {}

    def stage(name, inputs, build):
        output = store.run(name, 1, {}, {each: done[each].digest for each in inputs}, build)
        done[name] = output

    done["snapshot"] = store.run("snapshot", 1, {}, {"source": source}, write_images(images))
    stage("validate", ["snapshot"], write_images(kept))
    facts = {"name": "scenes", "digest": encoder, "weights": "encoder.weights.h5"}
    stage("encoder", ["validate"], lambda folder: write_json(folder / "encoder.json", facts))
    shape = {"fit": "squash", "views": 1}
    inputs = {name: done[name].digest for name in ("validate", "encoder")}
    done["extract_features"] = store.run("extract_features", 1, shape, inputs, lambda folder: None)
    features = FeatureStore(features_folder(home.store, facts, "squash"))
    for name in kept:
        features.add([sha256(name.encode())], np.zeros((1, 2, 3)))
    if begun_with:
        done["start"] = store.run("start", 1, {"digest": begun_with}, {}, lambda folder: None)
    stage("train", ["validate", "extract_features", *({"start"} & done.keys())], lambda folder: None)
    stage("bundle", ["train"], lambda folder: write_json(folder / "figures.json", {"bundle_digest": bundle_digest}))
    stage("gate", ["validate", "bundle"], lambda folder: None)
    return done


def age(root, days=30):
    """Let everything below a folder be as old as that."""
    then = time.time() - days * 86_400
    for path in sorted(root.rglob("*"), reverse=True):
        os.utime(path, (then, then))
