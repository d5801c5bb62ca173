"""What decoding in processes of its own costs a shard: the same images, beside a model that only takes time.

python -m benchmarks.isolation --images 1000 --model-ms 4
"""

from __future__ import annotations

import argparse
import resource
import shutil
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.odd_images import encoded, photograph
from pipeline.core.environment import Home
from pipeline.imaging.decode import Fit, open_image, resize
from pipeline.imaging.quality import flags_of
from pipeline.imaging.sandbox import Decoders
from pipeline.model.interface import Caption, PinnedModel
from serving.caption_shard import caption_shard
from serving.planning.plan import plan
from serving.runs.plan_file import Attempt
from serving.runs.settings import NightSettings

MODEL = PinnedModel("captioner", "3", "d" * 64, "sleep", "models:/captioner/3")


@dataclass
class Sleeper:
    """A captioner whose time is another device's."""

    milliseconds: float
    name: str = MODEL.name
    version: str = MODEL.version
    digest: str = MODEL.digest
    engine: str = MODEL.engine
    side: int = 299
    fit: Fit = "squash"

    def caption(self, pixels: npt.NDArray[np.uint8]) -> list[Caption]:
        """The same words for every image."""
        time.sleep(len(pixels) * self.milliseconds / 1000)
        return [Caption("an image", -1.0)] * len(pixels)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--model-ms", type=float, default=4.0, help="an image")
    args = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="isolation-"))
    try:
        photos = fill(folder / "inbox", args.images)
        with measured("threads of one process", args.images):
            in_threads(photos)
        settings = NightSettings()
        with measured("processes", args.images), Decoders(settings.work(299, "squash"), 2) as decoders:
            in_processes(photos, decoders)
        for name, milliseconds in (("a shard, no model", 0.0), (f"a shard, {args.model_ms:g} ms", args.model_ms)):
            home = Home(folder, folder / name, "sqlite:///unused.db")
            moment = datetime.now(UTC) + timedelta(hours=1)
            made = plan(settings, home, MODEL, Attempt("n", "r", moment))["plan"]
            with measured(name, args.images):
                caption_shard(made, 0, lambda _, taken=milliseconds: Sleeper(taken))
    finally:
        shutil.rmtree(folder)


def fill(folder: Path, count: int) -> list[Path]:
    """JPEGs of 500 by 375 pixels, all alike."""
    folder.mkdir()
    data = encoded(photograph(500, 375), "JPEG", quality=88)
    paths = [folder / f"{number:05d}.jpg" for number in range(count)]
    for path in paths:
        path.write_bytes(data)
    return paths


def in_threads(photos: list[Path]) -> None:
    """Two threads decode, resize and measure quality as a worker does."""
    limits = NightSettings().limits()

    def work(path: Path) -> None:
        image = open_image(path.read_bytes(), limits, 299)
        resize(image.image, 299, "squash")
        flags_of(image.image, image.width, image.height)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(work, photos))


def in_processes(photos: list[Path], decoders: Decoders) -> None:
    """Two threads hand images to two processes."""
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda path: decoders.decode(path.read_bytes()), photos))


@contextmanager
def measured(name: str, count: int) -> Iterator[None]:
    """Print wall and CPU time an image, of this process and of those it has ended."""
    wall, cpu = time.monotonic(), spent()
    yield
    wall, cpu = time.monotonic() - wall, spent() - cpu
    print(f"{name}: {1000 * wall / count:.2f} ms an image, {1000 * cpu / count:.2f} ms of CPU")


def spent() -> float:
    """Seconds of CPU so far."""
    usages = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


if __name__ == "__main__":
    main()
