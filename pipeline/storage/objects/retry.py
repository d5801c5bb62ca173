"""How long trouble with a service is borne."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from typing import TypeVar

from pipeline.core.errors import ObjectUnavailable

log = logging.getLogger(__name__)

MIN_SECONDS = 10
_LONGEST_PAUSE_S = 10.0

_Result = TypeVar("_Result")


class TransientError(Exception):
    """One try failed in a way that may pass."""


class RetryDeadline:
    """One deadline for all calls of a shard, which every answer moves on.

    A call is over `seconds` after it began, and every call is once nothing has answered for so
    long; so an outage costs a shard that time once, however many objects wait, while a long shard
    on a service that now and then fails goes on.

    Attributes:
        seconds: how long.
        longest_try_s: what one try may take at most; none is begun that might end too late.
    """

    def __init__(self, seconds: float, longest_try_s: float) -> None:
        self.seconds = seconds
        self.longest_try_s = longest_try_s
        self._silent_since: float | None = None

    def call(self, what: str, act: Callable[[float], _Result]) -> _Result:
        """What `act` returns, tried again while it raises Trouble.

        Args:
            what: for messages, such as `list s3://bucket/in`.
            act: takes the moment of `time.monotonic` when it must be over.

        Raises:
            ObjectUnavailable: the deadline came, or would before another try ends.
        """
        began, tries = time.monotonic(), 0
        while True:
            try:
                result = act(began + self.seconds)
            except TransientError as trouble:
                tries += 1
                self._wait(what, trouble, tries, began)
            else:
                self._silent_since = None
                return result

    def _wait(self, what: str, trouble: TransientError, tries: int, began: float) -> None:
        now = time.monotonic()
        silent_since = self._silent_since = self._silent_since or now
        pause = random.random() * min(2.0**tries, _LONGEST_PAUSE_S)  # noqa: S311 - spreads load
        left = self.seconds - (now - min(began, silent_since))
        if left < pause + self.longest_try_s:
            raise ObjectUnavailable(
                f"cannot {what}: {trouble} (gave up after {now - min(began, silent_since):.0f} of {self.seconds:g} s); "
                f"try again when the object store answers"
            ) from trouble
        log.warning("cannot %s: %s; trying again for up to %.0f s", what, trouble, left)
        time.sleep(pause)
