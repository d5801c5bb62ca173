"""Which of an input's objects a night captions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import compress, islice
from typing import Protocol

import numpy as np

from pipeline.storage.forgotten import Forgotten
from pipeline.storage.objects import Folder, ObjectInfo
from serving.planning.image_hashes import Deduplicator, Hashes, Mask, contains, hashed, hashes_of
from serving.planning.newest import Newest
from serving.runs.day_layout import Layout
from serving.runs.plan_file import PlanCounts

_BATCH = 10_000


class Listing(Protocol):
    """Objects to choose from; `ignored` counts others, once all were iterated."""

    ignored: int

    def __iter__(self) -> Iterator[ObjectInfo]: ...


@dataclass
class WholeListing:
    """All objects of a folder."""

    folder: Folder
    ignored: int = 0

    def __iter__(self) -> Iterator[ObjectInfo]:
        yield from self.folder.list()
        self.ignored = self.folder.ignored


@dataclass
class DayListing:
    """The objects of some days in a folder."""

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
    """Selects from a listing, once."""

    before: datetime  # only objects modified before this moment are selected
    done: Hashes  # sorted, of objects that need no caption any more
    forgotten: Forgotten
    newest: Newest  # receives the selected objects
    layout: Layout | None = None
    replayed: Hashes | None = None  # sorted, of the only objects that a replay selects; None on an ordinary night
    deduplicator: Deduplicator | None = None  # of a listing that may repeat itself; repeated objects are ignored
    due_again: Hashes = field(default_factory=lambda: hashes_of(()))  # sorted, of objects whose trouble may have passed
    later_again: Hashes = field(default_factory=lambda: hashes_of(()))  # sorted, of those that wait longer
    first_day: date | None = None  # of any object that needs a caption
    outside_layout: int = 0  # objects that need a caption and whose names do not fit the layout
    _listed: int = 0
    _unchanged: int = 0
    _later: int = 0
    _repeated: int = 0
    _again: int = 0

    def select(self, listing: Listing) -> PlanCounts:
        """Select objects, few in memory at once."""
        stream = iter(listing)
        while batch := list(islice(stream, _BATCH)):
            self._add(batch)
        return PlanCounts(
            listed=self._listed,
            unchanged=self._unchanged,
            planned=len(self.newest),
            backlog=self._listed - self._unchanged - len(self.newest),
            ignored=listing.ignored + self._repeated,
            later=self._later,
            again=self._again,
        )

    def _add(self, batch: list[ObjectInfo]) -> None:
        hashes = hashed((info.uri, info.etag) for info in batch)
        if self.deduplicator is not None:
            first = self.deduplicator.add(hashes)
            batch, hashes = list(compress(batch, first)), hashes[first]
            self._repeated += len(first) - len(batch)
        again, waits = contains(self.due_again, hashes), contains(self.later_again, hashes)
        for info, is_done, is_again, waits_longer in zip(
            batch, self._needs_none(batch, hashes), again, waits, strict=True
        ):
            is_due = info.modified < self.before
            self._later += not is_due
            self._listed += is_due
            self._unchanged += is_due and bool(is_done)
            if not is_done and is_due:
                self.newest.add(info)
                self._again += bool(is_again)
            if not is_done or waits_longer:
                self._note_day(info)

    def _needs_none(self, batch: list[ObjectInfo], hashes: Hashes) -> Mask:
        """bool [batch]: whether each object needs no caption."""
        mask = contains(self.done, hashes) | contains(self.later_again, hashes)
        if self.replayed is not None:
            mask |= ~contains(self.replayed, hashes)
        if self.forgotten:
            mask |= np.array([info.uri in self.forgotten for info in batch])
        return mask

    def _note_day(self, info: ObjectInfo) -> None:
        if self.layout is None:
            return
        day = self.layout.day(info.name)
        if day is None:
            self.outside_layout += 1
        else:
            self.first_day = day if self.first_day is None else min(day, self.first_day)


def days_from(cursor: date, before: datetime, late_days: int) -> tuple[date, date]:
    """The first and last day to list, with late arrivals and other time zones."""
    return cursor - timedelta(late_days), before.date() + timedelta(1)
