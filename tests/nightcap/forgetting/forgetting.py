"""An image that is to be forgotten, all that tells of it, and the search for what is left."""

import json
import re

import markupsafe
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from nightcap.cli import main
from pipeline.model.interface import Caption
from pipeline.storage.files import sha256, write_json, write_text
from pipeline.storage.stage_outputs import Store
from pipeline.training.features import FeatureStore
from tests.serving.night_world import ColourCaptioner, image

NAME = "zq-wedding/über <bride> & groom.jpg"
MARKED = re.compile(rb"zq[-a-z]{4}")  # in all that is written of it; two letters stand in any bytes by chance
SAID, WRITTEN = "a bride in crimson zqvelvet", "two people marry in zqchapel"
DATA = image((201, 7, 7))


class Knowing(ColourCaptioner):
    """Says something telling of one image."""

    def caption(self, pixels):
        return [
            Caption(SAID, -0.5, (f"{SAID} alternatively",)) if each.alternatives[0] == "<b>201</b>" else each
            for each in super().caption(pixels)
        ]


def training(home):
    """A snapshot under another name, what was made from it, and another snapshot without it."""
    mine = outputs_of(home, "mine", {"bride.jpg": (DATA, WRITTEN), "other.jpg": (b"other", "a dog")})
    outputs_of(home, "theirs", {"other.jpg": (b"other", "a dog")})
    features = FeatureStore(home.store / "features" / "scenes-1")
    features.add([sha256(DATA), sha256(b"other")], np.array([np.full((2, 3), 7), np.full((2, 3), 9)]))
    features.add([sha256(DATA + b"\0")], np.full((1, 2, 3), 7))
    return mine


def outputs_of(home, source, images):
    store = Store(home.store)

    def snapshot(folder):
        rows = [(name, f"/data/{name}", sha256(data), "train", len(data)) for name, (data, _) in images.items()]
        pd.DataFrame(rows, columns=["image", "uri", "sha256", "split", "bytes"]).to_parquet(folder / "images.parquet")
        said = [(name, 0, text) for name, (_, text) in images.items()]
        pd.DataFrame(said, columns=["image", "position", "caption"]).to_parquet(folder / "captions.parquet")

    def evaluation(folder):
        rows = [{"image": name, "caption": text, "cider_d": 1.0} for name, (_, text) in images.items()]
        pd.DataFrame(rows).to_parquet(folder / "per_image.parquet")
        write_text(folder / "captions.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
        write_json(folder / "scores.json", {"worst": rows, "images": len(rows)})
        for name, (data, text) in images.items():
            card = f'<span data-sha256="{sha256(data)[:16]}">{markupsafe.escape(text)}</span>'
            write_text(folder / "samples" / f"{name}.html", card)

    made = store.run("snapshot", 1, {}, {"source": source}, snapshot)
    checked = store.run("validate", 1, {}, {"snapshot": made.digest}, snapshot)
    return store.run("evaluate", 1, {}, {"validate": checked.digest}, evaluation)


def mine(table):
    return "bride.jpg" in pd.read_parquet(table)["image"].tolist()


def forget(world, *images, code=0):
    named = world.home.root.parent / "to-forget.txt"
    named.write_text("".join(f"{image}\n" for image in images))
    with pytest.raises(SystemExit) as ended:
        main(["forget", "--images", str(named)])
    assert (ended.value.code or 0) == code


def traces(root):
    """Files below a folder that still tell of the image, other than the image itself."""
    texts = [NAME, NAME.rpartition("/")[2], SAID, WRITTEN, "bride.jpg", sha256(DATA), sha256(DATA + b"\0")]
    spelt = {form.encode() for text in texts for form in (text, json.dumps(text)[1:-1], str(markupsafe.escape(text)))}
    for path in root.rglob("*"):
        if not path.is_file() or path.is_relative_to(root / "inbox"):
            continue
        data = path.read_bytes() + str(path.relative_to(root)).encode()
        if path.suffix == ".parquet":
            data += repr(pq.read_table(path).to_pylist()).encode()
        if path.suffix == ".npy":
            data += b"zqvelvet" if (np.load(path) == 7).any() else b""
        if MARKED.search(data) or any(form in data for form in spelt):
            yield path
