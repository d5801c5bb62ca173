"""What a night, its report and `nightcap trace` take over a table of many rows; run as a script, prints a line each.

    python -m benchmarks.table_scale --rows 10000000

The table holds one night of that many images, with canned captions and without any image. Then a night of few new images
and one of few images at random, captioned again, are published; the few and the many are reported, with JSON lines, a
CSV file and a gallery. Each line is a process of its own: seconds of the wall and of the processor, and the largest
resident size.
"""

from __future__ import annotations

import argparse
import logging
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa

from benchmarks.trace_scale import address, captioned, fill, register
from pipeline.core.environment import Home
from pipeline.model.interface import PinnedModel
from pipeline.storage.files import sha256, write_json
from pipeline.storage.objects import ObjectInfo
from pipeline.storage.tables import IMAGE_AND_VERSION, CaptionTable
from pipeline.storage.tables.maintenance import sweep
from serving.reporting.report import report
from serving.runs.plan_file import Plan, PlanCounts, shard_line
from serving.runs.settings import NightSettings

SNAPSHOT_IMAGES = 1000
SHARD = 100_000  # images in a list


def main() -> None:
    """Make a home and ask, or answer one question in a home that is there."""
    args = arguments()
    if args.act:
        logging.disable(logging.WARNING)  # of images without thumbnails
        ACTS[args.act](args.home, args.rows, args.few)
        return
    with tempfile.TemporaryDirectory(prefix="table-scale-", dir=args.folder) as folder:
        print(f"{args.rows:,} rows, {args.few:,} few, {os.cpu_count()} cores")
        asked = [f"--home={folder}", f"--rows={args.rows}", f"--few={args.few}"]
        for act in ACTS:
            if act == LAST:  # it takes longest
                for what, image in (("its address", address(7)), ("its SHA-256", sha256(b"7"))):
                    _measure(f"trace a caption by {what}", ["nightcap", "trace", image, "--json"], Path(folder))
            _measure(act, ["benchmarks.table_scale", f"--act={act}", *asked], Path(folder))


def _prepare(folder: Path, rows: int, _: int) -> None:
    """A table of one night and its list of images, current captions, and versions in a registry."""
    home = home_in(folder)
    fill(CaptionTable(home.captions), rows, 1)
    make_plan(home, 0, range(rows))
    register(home, SNAPSHOT_IMAGES)


def _make_current(folder: Path, *_: int) -> None:
    CaptionTable(home_in(folder).captions).write_current()


def _publish_new(folder: Path, rows: int, few: int) -> None:
    _publish(home_in(folder), 1, range(rows, rows + few))


def _publish_again(folder: Path, rows: int, few: int) -> None:
    _publish(home_in(folder), 2, np.random.default_rng(0).choice(rows, few, replace=False).tolist())


def _publish(home: Home, night: int, images: Sequence[int]) -> None:
    """Append, and the current captions, as `serving.publish` does."""
    table = CaptionTable(home.captions)
    added = table.append(pa.Table.from_batches([captioned(images, night)]), table.version(), IMAGE_AND_VERSION)
    assert added == len(images)
    table.write_current()
    sweep(table)
    make_plan(home, night, images)


def _report_few(folder: Path, *_: int) -> None:
    _report(home_in(folder), 1)


def _report_all(folder: Path, *_: int) -> None:
    _report(home_in(folder), 0)


def _report(home: Home, night: int) -> None:
    summary = report(plan_path(home, night))
    print(f"  {summary.distinct_captions:,} distinct captions, {summary.output.records:,} records")


LAST: Final = "report all images"
ACTS: Final[dict[str, Callable[[Path, int, int], None]]] = {
    "make the table": _prepare,
    "make all current captions": _make_current,
    "publish few new images": _publish_new,
    "publish few images at random again": _publish_again,
    "report few images": _report_few,
    LAST: _report_all,
}


def home_in(folder: Path) -> Home:
    """The home of the benchmark."""
    return Home(folder, folder / "store", f"sqlite:///{folder}/mlflow.db")


def plan_path(home: Home, night: int) -> Path:
    """Where the plan of a night lies."""
    return home.store / "nights" / f"night-{night:03d}" / f"manual__night-{night:03d}" / "plan" / "plan.json"


def make_plan(home: Home, night: int, images: Sequence[int]) -> Plan:
    """A plan with the lists of its images, which are nowhere."""
    folder, name = plan_path(home, night).parents[1], f"night-{night:03d}"
    home.inbox.mkdir(parents=True, exist_ok=True)
    shards = tuple(min(SHARD, len(images) - start) for start in range(0, len(images), SHARD))
    plan = Plan(
        folder=folder,
        night=name,
        run=folder.name,
        before=datetime.now(UTC),
        planned_at=datetime.now(UTC),
        deadline=None,
        input=str(home.inbox),
        table=str(home.captions),
        table_version=night,
        model=PinnedModel("captioner", "1", "d" * 64, "tensorflow-float32", "models:/captioner/1"),
        settings=NightSettings(output=str(home.root / "out"), write_csv=True),
        counts=PlanCounts(listed=len(images), unchanged=0, planned=len(images), backlog=0, ignored=0, later=0),
        shards=shards,
    )
    write_json(plan.path, plan.model_dump(mode="json"))
    for number in range(len(shards)):
        with plan.path.with_name(f"{number:05d}.jsonl").open("w") as file:
            file.writelines(_lines(images[number * SHARD : (number + 1) * SHARD]))
    return plan


def _lines(images: Sequence[int]) -> Iterator[str]:
    now = datetime.now(UTC)
    for image in images:
        yield shard_line(ObjectInfo(address(image), address(image), sha256(str(image).encode())[:32], 100_000, now))


def _measure(what: str, module: list[str], folder: Path) -> None:
    """Print seconds and the largest resident size of one process."""
    home = home_in(folder)
    environment = {**os.environ, "NIGHTCAP_HOME": str(folder), "MLFLOW_TRACKING_URI": home.tracking_uri}
    began = time.monotonic()
    process = subprocess.Popen([sys.executable, "-m", *module], env=environment, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    took, cpu = time.monotonic() - began, usage.ru_utime + usage.ru_stime
    failed = f", FAILED with {process.returncode}" if process.returncode else ""
    print(f"{what}: {took:.1f} s, {cpu:.1f} s of CPU, at most {usage.ru_maxrss / 1024:.0f} MiB{failed}", flush=True)


def arguments() -> argparse.Namespace:
    """From the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--few", type=int, default=1000)
    parser.add_argument("--folder", type=Path, help="where to work; default the system's")
    parser.add_argument("--home", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--act", choices=ACTS, help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
