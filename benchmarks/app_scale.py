"""How long the pages of `nightcap app` and a saved caption take over a large table; run as a script, prints a line each.

    python -m benchmarks.app_scale --rows 100000

The table is made as a night makes it, in one commit, with JSON lines, a CSV file and a text file an image. Pages are
asked for over HTTP within the process. Seconds are of the wall: medians, and the 95th of a hundred.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from fastapi.testclient import TestClient

from benchmarks.trace_scale import address, fill
from pipeline.core.environment import Home
from pipeline.model.interface import PinnedModel
from pipeline.storage.files import write_json
from pipeline.storage.tables import CaptionTable
from serving.app.review import Review
from serving.app.reviewed_images import ReviewedImages
from serving.app.server import create_app
from serving.reporting.outputs import write_outputs
from serving.runs.plan_file import Plan, PlanCounts
from serving.runs.settings import NightSettings

PAGES = {
    "nights": "/",
    "review, least sure": "/review?at={at}",
    "review, one word": "/review?words=beside&at={at}",
    "review, of a night": "/review?night=night-000&order=name&at={at}",
}


def main() -> None:
    """Make a home, then ask."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=20)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="app-scale-") as folder:
        home = Home(Path(folder), Path(folder) / "store", f"sqlite:///{folder}/mlflow.db")
        table = CaptionTable(home.captions)
        fill(table, args.rows, 1)
        table.write_current()
        timed("outputs of the whole night", 1, lambda _: write_outputs(planned(home, args.rows)))
        began = time.monotonic()
        review = Review(home, "ann")
        print(f"index of {args.rows:,} captions: {time.monotonic() - began:.1f} s")
        with ReviewedImages(home) as images:
            client = TestClient(create_app(review, images, "key"), cookies={"nightcap-None": "key"})
            for what, path in PAGES.items():
                timed(what, 100, lambda number, path=path: client.get(path.format(at=number * args.rows // 100)))
        for what, act in (("save", save), ("take back", take_back)):
            timed(what, args.rounds, lambda number, act=act: act(review, address(number * 7)))
    print(f"largest resident size: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")


def save(review: Review, image: str) -> None:
    """As the form does."""
    shown = review.index.of(image)
    review.save(image, "by hand", shown.caption if shown else "")


def take_back(review: Review, image: str) -> None:
    """As the button does."""
    review.undo(image)


def planned(home: Home, rows: int) -> Plan:
    """The plan of the night that the table has, with all outputs."""
    night, run = "night-000", "manual__night-000"
    made = Plan(
        folder=home.store / "nights" / night / run,
        night=night,
        run=run,
        before=datetime.now(UTC),
        planned_at=datetime.now(UTC),
        deadline=None,
        input="s3://photos",
        table=str(home.captions),
        table_version=0,
        model=PinnedModel("captioner", "1", "d" * 64, "tensorflow-float32", "models:/captioner/1"),
        settings=NightSettings(output=str(home.root / "out"), write_csv=True, write_sidecars=True),
        counts=PlanCounts(listed=rows, unchanged=0, planned=rows, backlog=0, ignored=0, later=0),
        shards=(rows,),
    )
    write_json(made.path, made.model_dump(mode="json"))
    write_json(made.summary_file, {})
    return made


def timed(what: str, rounds: int, act: Callable[[int], object]) -> None:
    """Print how long something takes."""
    seconds = []
    for number in range(rounds):
        began = time.monotonic()
        act(number)
        seconds.append(time.monotonic() - began)
    middle, most = np.quantile(seconds, [0.5, 0.95])
    print(f"{what}: median {middle:.3f} s, 95th of a hundred {most:.3f} s ({rounds} rounds)")


if __name__ == "__main__":
    main()
