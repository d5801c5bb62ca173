"""Which of an input's objects a night captions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import compress, islice
from typing import Protocol

import numpy as np

from pipeline.storage.forgotten import Forgotten
from pipeline.storage.objects import Folder, ObjectInfo
from serving.planning.newest import Newest
from serving.planning.seen import Met, SeenImages, Which, contains, hashed
from serving.runs.day_layout import Layout
from serving.runs.plan_file import PlanCounts

_BATCH = 10_000


class Listing(Protocol):
    """What is there; `ignored` is right once it was gone through."""

    ignored: int

    def __iter__(self) -> Iterator[ObjectInfo]: ...


@dataclass
class WholeListing:
    """All of a folder."""

    folder: Folder
    ignored: int = 0

    def __iter__(self) -> Iterator[ObjectInfo]:
        yield from self.folder.list()
        self.ignored = self.folder.ignored


@dataclass
class DayListing:
    """What a folder holds of some days."""

    folder: Folder
    layout: Layout
    first: date
    last: date
    ignored: int = 0

    def __iter__(self) -> Iterator[ObjectInfo]:
        self.ignored = 0
        for name in self.layout.folders(self.folder, self.first, self.last):
            yield from self.folder.list(name)
            self.ignored += self.folder.ignored


@dataclass
class Selection:
    """Goes through a listing once and keeps count.

    Attributes:
        before: only what was modified before this moment is chosen.
        known: sorted hashes of what needs no caption any more.
        forgotten: what must never be captioned.
        newest: takes in what is chosen.
        layout: of the names, if they have one.
        wanted: sorted hashes of what a replay takes and nothing else; None on an ordinary night.
        met: of a listing that may repeat itself; what it repeats is ignored.
        oldest: the first day of anything that is not known; None if there is none.
        strays: unknown objects whose names are not in the layout.
    """

    before: datetime
    known: SeenImages
    forgotten: Forgotten
    newest: Newest
    layout: Layout | None = None
    wanted: SeenImages | None = None
    met: Met | None = None
    oldest: date | None = None
    strays: int = 0
    _listed: int = 0
    _unchanged: int = 0
    _later: int = 0
    _repeated: int = 0

    def go_through(self, listing: Listing) -> PlanCounts:
        """Choose from what is listed, few of it in memory at once."""
        stream = iter(listing)
        while batch := list(islice(stream, _BATCH)):
            self._take(batch)
        return PlanCounts(
            listed=self._listed,
            unchanged=self._unchanged,
            planned=len(self.newest),
            backlog=self._listed - self._unchanged - len(self.newest),
            ignored=listing.ignored + self._repeated,
            later=self._later,
        )

    def _take(self, batch: list[ObjectInfo]) -> None:
        hashes = hashed((info.uri, info.etag) for info in batch)
        if self.met is not None:
            first = self.met.add(hashes)
            batch, hashes = list(compress(batch, first)), hashes[first]
            self._repeated += len(first) - len(batch)
        for info, is_known in zip(batch, self._spared(batch, hashes), strict=True):
            is_due = info.modified < self.before
            self._later += not is_due
            self._listed += is_due
            self._unchanged += is_due and bool(is_known)
            if is_known:
                continue
            if is_due:
                self.newest.add(info)
            self._date(info)

    def _spared(self, batch: list[ObjectInfo], hashes: SeenImages) -> Which:
        """bool [batch]: whether an object needs no caption."""
        spared = contains(self.known, hashes)
        if self.wanted is not None:
            spared |= ~contains(self.wanted, hashes)
        if self.forgotten:
            spared |= np.array([info.uri in self.forgotten for info in batch])
        return spared

    def _date(self, info: ObjectInfo) -> None:
        if self.layout is None:
            return
        day = self.layout.day(info.name)
        if day is None:
            self.strays += 1
        else:
            self.oldest = day if self.oldest is None else min(day, self.oldest)


def days_from(cursor: date, before: datetime, late_days: int) -> tuple[date, date]:
    """The first and last day to list: late arrivals and other time zones are allowed for."""
    return cursor - timedelta(late_days), before.date() + timedelta(1)
