"""Spoil images at random and have them decoded as a night does: whatever comes, an image or a reason.

    python -m benchmarks.fuzz --count 100000

Every twentieth image is left whole and must be decoded. Prints a line of JSON, and ends with 1 if a whole one was
not, if a decoder died or ran out of time, if one held more than a gigabyte, or if an image took five seconds.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import resource
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import takewhile
from typing import TypeVar

from benchmarks.odd_images import mutated, valid
from pipeline.core.errors import BadImage
from pipeline.core.parallel import in_parallel
from pipeline.core.reasons import DECODER_CRASHED, DECODER_TIMEOUT
from pipeline.imaging.decode import ImageLimits
from pipeline.imaging.sandbox import Decoders, Work

Item = TypeVar("Item")

WHOLE_EVERY = 20
MOST_MEMORY_MB = 1000
MOST_SECONDS = 5.0


@dataclass(frozen=True)
class Outcome:
    """What became of the images.

    Attributes:
        images: how many.
        decoded: of these.
        reasons: why others were not, and how many.
        whole: left as they were.
        lost: whole ones that were not decoded.
        slowest_s: wall time of the slowest, in seconds.
        memory_mb: the most that a decoder held.
    """

    images: int
    decoded: int
    reasons: dict[str, int]
    whole: int
    lost: int
    slowest_s: float
    memory_mb: int

    @property
    def is_good(self) -> bool:
        """Whether no image harmed a decoder, and none was lost."""
        deaths = self.reasons.keys() & {DECODER_CRASHED, DECODER_TIMEOUT}
        return not deaths and not self.lost and self.memory_mb < MOST_MEMORY_MB and self.slowest_s < MOST_SECONDS


def fuzz(count: int, seed: int, processes: int, minutes: float = math.inf) -> Outcome:
    """Decode `count` images, or as many as go into some minutes; the same seed gives the same ones."""
    end = time.monotonic() + 60 * minutes
    slowest, reasons, whole, lost = 0.0, Counter[str](), 0, 0
    with Decoders(Work(ImageLimits(), 64, "squash"), processes) as decoders:

        def attempt(item: tuple[bytes, bool]) -> tuple[str, bool, float]:
            reason, seconds = timed(decoders, item[0])
            return reason, item[1], seconds

        for reason, is_whole, seconds in in_parallel(attempt, _until(end, images(count, seed)), processes):
            reasons[reason] += 1
            whole, lost, slowest = whole + is_whole, lost + (is_whole and bool(reason)), max(slowest, seconds)
    memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024
    return Outcome(
        reasons.total(), reasons.pop("", 0), dict(reasons.most_common()), whole, lost, round(slowest, 2), memory
    )


def timed(decoders: Decoders, data: bytes) -> tuple[str, float]:
    """Why an image cannot be decoded, if so, and the wall time in seconds.

    One that seems slow is tried again: its decoder may have been started first, or others may have had the CPU.
    """
    reason, seconds = _decoded(decoders, data)
    return (reason, seconds) if seconds < MOST_SECONDS else (reason, min(seconds, _decoded(decoders, data)[1]))


def _decoded(decoders: Decoders, data: bytes) -> tuple[str, float]:
    began, reason = time.monotonic(), ""
    try:
        decoders.decode(data)
    except BadImage as bad:
        reason = bad.reason
    return reason, time.monotonic() - began


def images(count: int, seed: int) -> Iterator[tuple[bytes, bool]]:
    """Bytes, and whether they are whole."""
    rng, seeds = random.Random(seed), list(valid().values())  # noqa: S311 - to spoil images
    for number in range(count):
        data = seeds[number // WHOLE_EVERY % len(seeds)] if number % WHOLE_EVERY == 0 else rng.choice(seeds)
        yield (data, True) if number % WHOLE_EVERY == 0 else (mutated(data, rng.choice(seeds), rng), False)


def _until(end: float, items: Iterator[Item]) -> Iterator[Item]:
    return takewhile(lambda _: time.monotonic() < end, items)


def main() -> None:
    """Fuzz, print, exit with 1 if anything failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    parser.add_argument("--minutes", type=float, default=math.inf, help="stop after these")
    args = parser.parse_args()
    outcome = fuzz(args.count, args.seed, args.processes, args.minutes)
    print(json.dumps(asdict(outcome)))
    sys.exit(not outcome.is_good)


if __name__ == "__main__":
    main()
