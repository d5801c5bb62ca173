"""Calls of a service are retried until a deadline."""

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
    """One try failed for a reason that may pass."""


class RetryDeadline:
    """One deadline for all calls of a shard, which every answer postpones.

    A call fails `seconds` after it began, and every call fails once the service has not answered for so long. So an
    outage costs a shard that time once, however many objects wait, while a shard goes on if only some calls fail. No
    try is begun that might end after the deadline, as one takes at most `longest_try_s`.
    """

    def __init__(self, seconds: float, longest_try_s: float) -> None:
        self.seconds = seconds
        self.longest_try_s = longest_try_s
        self._silent_since: float | None = None

    def call(self, what: str, act: Callable[[float], _Result]) -> _Result:
        """The result of `act`, which takes the moment of `time.monotonic` by which it must end.

        It is tried again while it raises TransientError; at the deadline ObjectUnavailable is raised. `what` is for
        messages, such as `list s3://bucket/in`.
        """
        began, tries = time.monotonic(), 0
        while True:
            try:
                result = act(began + self.seconds)
            except TransientError as error:
                tries += 1
                self._wait(what, error, tries, began)
            else:
                self._silent_since = None
                return result

    def _wait(self, what: str, error: TransientError, tries: int, began: float) -> None:
        now = time.monotonic()
        silent_since = self._silent_since = self._silent_since or now
        pause = random.random() * min(2.0**tries, _LONGEST_PAUSE_S)  # noqa: S311 - spreads load
        left = self.seconds - (now - min(began, silent_since))
        if left < pause + self.longest_try_s:
            raise ObjectUnavailable(
                f"cannot {what}: {error} (gave up after {now - min(began, silent_since):.0f} of {self.seconds:g} s); "
                f"try again when the object store answers"
            ) from error
        log.warning("cannot %s: %s; trying again for up to %.0f s", what, error, left)
        time.sleep(pause)
