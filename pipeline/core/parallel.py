"""Working ahead: results of threads, in the order of the items."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

_AHEAD_PER_THREAD = 4


def in_parallel(
    act: Callable[[_Item], _Result], items: Iterable[_Item], threads: int, ahead: int | None = None
) -> Generator[_Result, None, None]:
    """Results in the order of the items; an error of `act` is raised at its item's place.

    The items are taken in the caller's thread. At most `ahead` of them, by default four a thread, have begun or wait to
    be taken. When the caller stops early, items that have begun are finished first.
    """
    waiting: deque[Future[_Result]] = deque()
    pool = ThreadPoolExecutor(threads, "ahead")
    try:
        for item in items:
            waiting.append(pool.submit(act, item))
            if len(waiting) >= (ahead or _AHEAD_PER_THREAD * threads):
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
