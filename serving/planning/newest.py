"""The newest of more objects than fit in memory."""

from __future__ import annotations

import os
import tempfile
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt

from pipeline.storage.objects import ObjectInfo
from serving.runs.plan_file import shard_line

_SLACK = 4
_MIN_KEPT = 10_000


class Newest:
    """The newest objects of a listing, newest first; those of one moment as they were listed.

    They lie in an unnamed file that takes a few times the budget; memory holds 16 bytes of each.
    """

    def __init__(self, folder: Path, budget: int | None) -> None:
        """Keep at most `budget` objects, all if it is None, in a file on the folder's disk."""
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._budget = folder, budget
        self._most = None if budget is None else max(_SLACK * budget, _MIN_KEPT)
        self._floor: int | None = None
        self._begin()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def __len__(self) -> int:
        return len(self._times) if self._budget is None else min(len(self._times), self._budget)

    def add(self, info: ObjectInfo) -> None:
        """Add an object, if it is not older than enough others."""
        time = round(info.modified.timestamp() * 1e6)
        if self._floor is None or time > self._floor:
            self._append(time, shard_line(info).encode())
            if self._most is not None and len(self._times) >= self._most:
                self._drop_old()

    def lines(self) -> Iterator[str]:
        """The objects as lines of a shard's list."""
        self._file.flush()
        for index in self._order():
            yield self._line(index).decode()

    def _begin(self) -> None:
        self._file = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115 - closed by __exit__
        self._times, self._ends = array("q"), array("q", [0])

    def _append(self, time: int, line: bytes) -> None:
        self._file.write(line)
        self._times.append(time)
        self._ends.append(self._ends[-1] + len(line))

    def _line(self, index: int) -> bytes:
        start, end = self._ends[index], self._ends[index + 1]
        return os.pread(self._file.fileno(), end - start, start)

    def _order(self) -> npt.NDArray[np.int64]:
        return np.argsort(-np.array(self._times, np.int64), kind="stable")[: self._budget]

    def _drop_old(self) -> None:
        order = self._order()
        self._floor = self._times[order[-1]]
        self._file.flush()
        kept = [(self._times[index], self._line(index)) for index in np.sort(order)]
        self._file.close()
        self._begin()
        for time, line in kept:
            self._append(time, line)
