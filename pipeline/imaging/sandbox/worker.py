"""The process that decodes, and may die of it: `python -m pipeline.imaging.sandbox.worker WORK`, a socket for its stdin.

It takes frames of encoded images, and gives for each a frame of facts and one of pixels, or of facts with a
reason. It limits itself: the kernel kills it at an image's time limit whether its parent still lives or not, and
address space that cannot be had is a MemoryError. It ends when the socket does.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import socket
import sys
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from PIL import (  # noqa: F401 - else the first WebP would load the plugins of every format there is
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from pipeline.core.errors import BadImage
from pipeline.imaging.sandbox import framing as wire
from pipeline.imaging.sandbox.task import Work, decoded


def main() -> None:
    """Serve one parent until it is gone."""
    work = Work.from_json(sys.argv[1])
    warnings.simplefilter("ignore")  # what Pillow thinks of an image's metadata
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's
    _limit(work)
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())  # libraries have much to say of bad images
    with suppress(OSError), socket.socket(fileno=sys.stdin.fileno()) as parent:
        wire.send(parent, b"ready")
        while True:
            _answer(parent, work, wire.receive(parent, work.limits.max_bytes))


def _limit(work: Work) -> None:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + work.memory_mb * 1_000_000
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")  # rather this process than the shard


def _answer(parent: socket.socket, work: Work, data: bytearray) -> None:
    facts: dict[str, Any]
    _count_down(work.seconds, work.patience_s)
    try:
        done = decoded(bytes(data), work)
    except BadImage as bad:
        facts, pixels = {"reason": bad.reason, "message": str(bad)[:500]}, np.empty(0, np.uint8)
    else:
        facts, pixels = {"size": [done.width, done.height], "flags": done.flags}, done.pixels
    finally:
        _count_down(0, 0)
    wire.send(parent, json.dumps(facts).encode())
    wire.send(parent, pixels.tobytes())


def _count_down(cpu_s: float, wall_s: float) -> None:
    """The kernel ends the process after these seconds; 0 stops the clocks."""
    signal.setitimer(signal.ITIMER_PROF, cpu_s)
    signal.setitimer(signal.ITIMER_REAL, wall_s)


if __name__ == "__main__":
    main()
