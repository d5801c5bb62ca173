"""How long and how much memory a plan takes over many objects; run as a script, prints a line.

    python -m benchmarks.plan_scale s3 --objects 5000000 --known 4999000 --delay-ms 50
    python -m benchmarks.plan_scale local --objects 1000000 --known 999000

The S3 pages are canned and served on loopback by a process of its own; the plan, its table and its client are real.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa

from benchmarks.canned_store import serve
from pipeline.core.environment import Home
from pipeline.model.interface import PinnedModel
from pipeline.storage.objects import open_folder
from pipeline.storage.tables import CAPTIONED, MODEL, SCHEMA, CaptionTable
from serving.planning.plan import plan
from serving.runs.plan_file import Attempt
from serving.runs.settings import NightSettings

MODEL_VERSION = PinnedModel("captioner", "3", "d" * 64, "numpy", "models:/captioner/3")
BATCH = 20_000


class Known:
    """Rows of a table for the first objects of a folder."""

    def __init__(self, uri: str, count: int) -> None:
        self.uri, self.count = uri, count

    def to_batches(self) -> Iterator[pa.RecordBatch]:
        """The rows, few at once."""
        batch: list[dict[str, object]] = []
        for number, info in enumerate(open_folder(self.uri).list()):
            if number == self.count:
                break
            batch.append(row(info.uri, info.etag))
            if len(batch) == BATCH:
                yield pa.RecordBatch.from_pylist(batch, schema=SCHEMA)
                batch = []
        yield pa.RecordBatch.from_pylist(batch, schema=SCHEMA)


def row(image: str, etag: str) -> dict[str, object]:
    """A captioned image."""
    return {
        "image": image,
        "etag": etag,
        "status": CAPTIONED,
        "caption": f"an image of {etag[-6:]}",
        "source": MODEL,
        "model_name": "captioner",
        "model_version": "3",
        "captioned_at": datetime(2026, 1, 1, tzinfo=UTC),
        "withdrawn": False,
    }


def main() -> None:
    """Make the objects and the table, then plan in a fresh process and print what that took."""
    args = arguments()
    folder = Path(tempfile.mkdtemp(prefix="plan-scale-", dir=args.folder))
    server = None
    try:
        if args.kind == "s3":
            server, endpoint = serve(args.objects, args.delay_ms / 1000)
            os.environ |= {"AWS_ENDPOINT_URL": endpoint, "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x"}
            uri = "s3://bucket/photos"
        else:
            uri = str(fill(folder / "photos", args.objects))
        began = time.monotonic()
        if args.known:
            CaptionTable(folder / "captions").append(Known(uri, args.known), 0)
        print(f"prepared in {time.monotonic() - began:.0f} s", file=sys.stderr)
        process = multiprocessing.get_context("spawn").Process(target=measure, args=(folder, uri))
        process.start()
        process.join()
    finally:
        if server:
            server.kill()
        shutil.rmtree(folder)
    sys.exit(process.exitcode)


def measure(folder: Path, uri: str) -> None:
    """Plan, and print seconds and the largest resident size."""
    home = Home(folder, folder / "store", "sqlite:///unused.db", roots=(uri,))
    settings = NightSettings(input=uri, table=str(folder / "captions"))
    began = time.monotonic()
    counts = plan(settings, home, MODEL_VERSION, Attempt("scale", "r", datetime.now(UTC)))["counts"]
    took, peak = time.monotonic() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{took:.1f} s, {time.process_time():.1f} s of CPU, at most {peak:.0f} MiB; {counts}")


def fill(folder: Path, count: int) -> Path:
    """Small files, a thousand a folder."""
    for number in range(count):
        if number % 1000 == 0:
            below = folder / f"{number // 1000:05d}"
            below.mkdir(parents=True)
        (below / f"IMG_{number:08d}.jpg").touch()
    return folder


def arguments() -> argparse.Namespace:
    """From the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=["s3", "local"])
    parser.add_argument("--objects", type=int, default=1_000_000)
    parser.add_argument("--known", type=int, default=0, help="how many of them the table has")
    parser.add_argument("--delay-ms", type=float, default=0, help="added to each page of a listing")
    parser.add_argument("--folder", type=Path, help="where to work; default the system's")
    return parser.parse_args()


if __name__ == "__main__":
    main()
