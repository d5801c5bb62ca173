"""How long `nightcap trace` takes over a table of many rows; run as a script, prints a line a question.

    python -m benchmarks.trace_scale --rows 1000000 --snapshot-images 120000

The table is made as nights make it, a commit a night, newest images first; two versions in a real registry were trained
on a snapshot. Each question is a process of its own, from its start to its end.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pyarrow as pa

from pipeline.core.environment import Home
from pipeline.registry.lineage import ACCEPTED_TAG, SNAPSHOT_TAG
from pipeline.registry.versions import DIGEST_TAG, Registry
from pipeline.storage.files import sha256, write_json
from pipeline.storage.stage_outputs import Store
from pipeline.storage.tables import CAPTIONED, MODEL, SCHEMA, CaptionTable

BATCH = 20_000
MODEL_NAME = "captioner"
FIRST = datetime(2026, 1, 1, tzinfo=UTC)


class Night:
    """Rows of one night, few in memory at once."""

    def __init__(self, number: int, images: range) -> None:
        self.number, self.images = number, images

    def to_batches(self) -> Iterator[pa.RecordBatch]:
        """The rows."""
        for start in range(self.images.start, self.images.stop, BATCH):
            yield captioned(range(start, min(start + BATCH, self.images.stop)), self.number)


def captioned(images: Sequence[int], night: int) -> pa.RecordBatch:
    """Rows of captioned images."""
    digests = [sha256(str(image).encode()) for image in images]
    each = {
        "image": [address(image) for image in images],
        "etag": [digest[:32] for digest in digests],
        "sha256": digests,
        "caption": [f"an image of {digest[:6]} beside {digest[6:9]} and some more words" for digest in digests],
    }
    all_alike = {
        "status": CAPTIONED,
        "score": -0.5,
        "source": MODEL,
        "model_name": MODEL_NAME,
        "model_version": str(1 + night % 2),
        "engine": "tensorflow-float32",
        "night": f"night-{night:03d}",
        "run": f"manual__night-{night:03d}",
        "captioned_at": FIRST + timedelta(days=night),
        "withdrawn": False,
    }
    columns = [
        pa.array(each[field.name], field.type)
        if field.name in each
        else pa.repeat(pa.scalar(all_alike.get(field.name), field.type), len(images))
        for field in SCHEMA
    ]
    return pa.RecordBatch.from_arrays(columns, schema=SCHEMA)


def fill(table: CaptionTable, rows: int, nights: int) -> None:
    """Publish that many captions."""
    some = -(-rows // nights)
    for night in range(nights):
        table.append(Night(night, range(night * some, min((night + 1) * some, rows))), night)


def address(image: int) -> str:
    """Where an image lies, in an order unlike its age."""
    return f"s3://photos/{sha256(str(image).encode())[:2]}/IMG_{image:08d}.jpg"


def main() -> None:
    """Make a home, then ask."""
    args = arguments()
    with tempfile.TemporaryDirectory(prefix="trace-scale-", dir=args.folder) as folder:
        home = Home(Path(folder), Path(folder) / "store", f"sqlite:///{folder}/mlflow.db")
        began = time.monotonic()
        fill(CaptionTable(home.captions), args.rows, args.nights)
        register(home, args.snapshot_images)
        print(f"prepared in {time.monotonic() - began:.0f} s", file=sys.stderr)
        middle = args.rows // 2
        ask(home, "a caption by its address", address(middle))
        ask(home, "a caption by its SHA-256", sha256(str(middle).encode()))
        ask(home, "a training image, by its name", f"train-{args.snapshot_images // 2:06d}.jpg")


def register(home: Home, images: int) -> None:
    """A snapshot, what was accepted of it, and two versions that were trained on it."""
    names = [f"train-{number:06d}.jpg" for number in range(images)]
    digests = [sha256(name.encode()) for name in names]
    listed = pd.DataFrame({"image": names, "uri": names, "sha256": digests, "split": "train", "bytes": 1})
    store, registry = Store(home.store), Registry(home)
    snapshot = store.run("snapshot", 1, {}, {}, lambda folder: listed.to_parquet(folder / "images.parquet"))
    accepted = store.run(
        "validate", 1, {}, {"snapshot": snapshot.digest}, lambda folder: listed.to_parquet(folder / "images.parquet")
    )
    for number in range(2):
        model = home.artifacts / f"model-{number}"
        write_json(model / "MLmodel", {})
        tags = {DIGEST_TAG: str(number) * 64, SNAPSHOT_TAG: snapshot.digest, ACCEPTED_TAG: accepted.digest}
        registry.create(MODEL_NAME, model.as_uri(), tags, "for the benchmark")


def ask(home: Home, what: str, image: str) -> None:
    """Print seconds, the processor's seconds and the largest resident size of one `nightcap trace`."""
    environment = {**os.environ, "NIGHTCAP_HOME": str(home.root), "MLFLOW_TRACKING_URI": home.tracking_uri}
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    command = [sys.executable, "-m", "nightcap", "trace", image, "--json"]
    trace = json.loads(subprocess.run(command, env=environment, check=True, capture_output=True).stdout)
    took, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    counts = f"{len(trace['captions'])} captions, {len(trace['trained'])} versions trained on it"
    print(f"{what}: {took:.1f} s, {cpu:.1f} s of CPU, at most {after.ru_maxrss / 1024:.0f} MiB; {counts}")


def arguments() -> argparse.Namespace:
    """From the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--nights", type=int, default=50)
    parser.add_argument("--snapshot-images", type=int, default=120_000)
    parser.add_argument("--folder", type=Path, help="where to work; default the system's")
    return parser.parse_args()


if __name__ == "__main__":
    main()
