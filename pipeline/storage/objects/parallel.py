"""Several objects read at once."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

_WAITING = 4


def in_parallel(act: Callable[[_Item], _Result], items: Iterable[_Item], threads: int) -> Iterator[_Result]:
    """Results in the order of the items; a few a thread are worked on or wait to be taken, the rest is not begun.

    Raises:
        Exception: the first that `act` raises; what is begun is finished first.
    """
    waiting: deque[Future[_Result]] = deque()
    pool = ThreadPoolExecutor(threads, "reader")
    try:
        for item in items:
            waiting.append(pool.submit(act, item))
            if len(waiting) == _WAITING * threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
