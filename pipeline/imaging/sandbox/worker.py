"""The decoder process, `python -m pipeline.imaging.sandbox.worker WORK`; its stdin is a socket.

It reads frames of encoded images, and answers each with a frame of JSON (size and flags, or a reason) and one of
pixels. Before the first it gives up its rights, and says which. It limits itself: the kernel kills it at an image's time limit, with or without a living parent, and memory
beyond the limit is a MemoryError. It ends when the socket does.
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

from pipeline.core.confinement import confine
from pipeline.core.errors import BadImage
from pipeline.imaging.sandbox import framing
from pipeline.imaging.sandbox.task import Work, decoded


def main() -> None:
    """Serve one parent until it is gone."""
    work = Work.from_json(sys.argv[1])
    warnings.simplefilter("ignore")  # about an image's metadata
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's
    _limit(work)
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())  # libraries print much about bad images
    protections = confine()
    with suppress(OSError), socket.socket(fileno=sys.stdin.fileno()) as parent:
        framing.send(parent, json.dumps({"protections": protections}).encode())
        while True:
            _answer(parent, work, bytes(framing.receive(parent, work.limits.max_bytes)))


def _limit(work: Work) -> None:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + work.memory_mb * 1_000_000
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))  # where the kernel cannot refuse files, they stay empty
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")  # kill this process before the shard


def _answer(parent: socket.socket, work: Work, data: bytes) -> None:
    answer: dict[str, Any]
    _set_timers(work.seconds_for(data), work.patience_for(data))
    try:
        done = decoded(data, work)
    except BadImage as bad:
        answer, pixels = {"reason": bad.reason, "message": str(bad)[:500]}, np.empty(0, np.uint8)
    else:
        answer, pixels = {"size": [done.width, done.height], "flags": done.flags}, done.pixels
        answer["shape"] = pixels.shape[:2]
    finally:
        _set_timers(0, 0)
    framing.send(parent, json.dumps(answer).encode())
    framing.send(parent, pixels.tobytes())


def _set_timers(cpu_s: float, wall_s: float) -> None:
    """Let the kernel end the process after these seconds; 0 stops the timers."""
    signal.setitimer(signal.ITIMER_PROF, cpu_s)
    signal.setitimer(signal.ITIMER_REAL, wall_s)


if __name__ == "__main__":
    main()
