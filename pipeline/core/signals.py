"""SIGTERM handled: work is dropped cleanly, and the process ends within seconds."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

_GRACE_S = 20
CODE = 128 + signal.SIGTERM  # as a shell reports it


class Stopped(BaseException):
    """Somebody asked this process to end."""


@contextmanager
def heeding_sigterm() -> Iterator[None]:
    """Within the block SIGTERM raises `Stopped` where the main thread is; a second one changes nothing.

    If cleaning up takes longer than `_GRACE_S`, such as for a read that hangs, the process ends with `CODE` all the same.
    Outside the main thread the block changes nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, _stop)
    try:
        yield
    finally:
        if signal.getsignal(signal.SIGTERM) is _stop:  # else it came, and stays ignored until the process has ended
            signal.signal(signal.SIGTERM, before)


def _stop(number: int, frame: Any) -> NoReturn:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGALRM, lambda *_: os._exit(CODE))
    signal.alarm(_GRACE_S)
    raise Stopped
