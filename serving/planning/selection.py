"""Which of an input's objects a night captions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import compress, islice
from typing import Protocol

import numpy as np

from pipeline.core.reasons import NOT_AN_IMAGE, REPEATED
from pipeline.storage.forgotten import Forgotten
from pipeline.storage.objects import Folder, Ignored, ImageCheck, ObjectInfo
from serving.planning.image_hashes import Deduplicator, Hashes, Mask, contains, hashed, hashes_of
from serving.planning.newest import Newest
from serving.runs.day_layout import Layout
from serving.runs.plan_file import PlanCounts

_BATCH = 10_000


class Listing(Protocol):
    """Objects to choose from; once all were iterated, `ignored` tells of others and `unlisted` names lost folders."""

    @property
    def ignored(self) -> Ignored:
        """Other files."""
        ...

    @property
    def unlisted(self) -> list[str]:
        """Folders that are there and could not be listed."""
        ...

    def __iter__(self) -> Iterator[ObjectInfo]: ...


@dataclass
class WholeListing:
    """All objects of a folder."""

    folder: Folder

    def __iter__(self) -> Iterator[ObjectInfo]:
        return self.folder.list()

    @property
    def ignored(self) -> Ignored:
        """What the folder ignored."""
        return self.folder.ignored

    @property
    def unlisted(self) -> list[str]:
        """Folders that could not be listed."""
        return self.folder.unlisted


@dataclass
class DayListing:
    """The objects of some days in a folder."""

    folder: Folder
    layout: Layout
    first: date
    last: date
    ignored: Ignored = field(default_factory=Ignored)
    unlisted: list[str] = field(default_factory=list)

    def __iter__(self) -> Iterator[ObjectInfo]:
        self.ignored.clear()
        self.unlisted.clear()
        for name in self.layout.folders(self.folder, self.first, self.last):
            self.unlisted += self.folder.unlisted  # above the day's folder
            yield from self.folder.list(name)
            self.ignored.join(self.folder.ignored)
            self.unlisted += self.folder.unlisted
        self.unlisted += self.folder.unlisted


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
    check: ImageCheck | None = None  # of what no name tells; None if every object is an image
    latest: datetime | None = None  # an object modified later is due, too: its clock was wrong
    first_day: date | None = None  # of any object that needs a caption
    last_day: date | None = None  # of any object at all
    outside_layout: int = 0  # objects that need a caption and whose names do not fit the layout
    ignored: Ignored = field(default_factory=Ignored)
    unlisted: frozenset[str] = frozenset()  # folders that are there and could not be listed
    _listed: int = 0
    _unchanged: int = 0
    _later: int = 0
    _again: int = 0

    def select(self, listing: Listing) -> PlanCounts:
        """Select objects, few in memory at once."""
        stream = iter(listing)
        while batch := list(islice(stream, _BATCH)):
            self._add(batch)
        self.ignored.join(listing.ignored)
        self.unlisted = frozenset(listing.unlisted)
        return PlanCounts(
            listed=self._listed,
            unchanged=self._unchanged,
            planned=len(self.newest),
            backlog=self._listed - self._unchanged - len(self.newest),
            ignored=self.ignored.count,
            ignored_reasons=dict(self.ignored.reasons),
            later=self._later,
            again=self._again,
        )

    @property
    def seen(self) -> int:
        """The images that were listed, also those that are too new for the night."""
        return self._listed + self._later

    def _add(self, batch: list[ObjectInfo]) -> None:
        hashes = hashed((info.uri, info.etag) for info in batch)
        if self.deduplicator is not None:
            first = self.deduplicator.add(hashes)
            self._ignore(REPEATED, compress(batch, ~first))
            batch, hashes = list(compress(batch, first)), hashes[first]
        settled = self._settled(batch, hashes)
        done = settled | contains(self.later_again, hashes)
        due = np.array([self._is_due(info.modified) for info in batch], bool)
        no_images = self._no_images(batch, due & ~done)
        selected = due & ~done & ~no_images
        self._ignore(NOT_AN_IMAGE, compress(batch, no_images))
        self._later += int((~due).sum())
        self._listed += int((due & ~no_images).sum())
        self._unchanged += int((due & done).sum())
        self._again += int((selected & contains(self.due_again, hashes)).sum())
        for info in compress(batch, selected):
            self.newest.add(info)
        if self.layout is not None:
            for info, is_settled in zip(compress(batch, ~no_images), settled[~no_images], strict=True):
                self._note_day(info, self.layout, bool(is_settled))

    def _is_due(self, modified: datetime) -> bool:
        return modified < self.before or (self.latest is not None and modified > self.latest)

    def _no_images(self, batch: list[ObjectInfo], asked: Mask) -> Mask:
        """bool [batch]: which of the objects that are asked about are no images; what needs no caption is not read."""
        mask = np.zeros(len(batch), bool)
        if self.check is not None and asked.any():
            mask[asked] = ~np.array(self.check.are_images(list(compress(batch, asked))), bool)
        return mask

    def _ignore(self, reason: str, infos: Iterable[ObjectInfo]) -> None:
        for info in infos:
            self.ignored.add(reason, info.uri)

    def _settled(self, batch: list[ObjectInfo], hashes: Hashes) -> Mask:
        """bool [batch]: whether each object needs no caption, later neither."""
        mask = contains(self.done, hashes)
        if self.replayed is not None:
            mask |= ~contains(self.replayed, hashes)
        if self.forgotten:
            mask |= np.array([info.uri in self.forgotten for info in batch])
        return mask

    def _note_day(self, info: ObjectInfo, layout: Layout, is_done: bool) -> None:
        day = layout.day(info.name)
        if day is not None:
            self.last_day = day if self.last_day is None else max(day, self.last_day)
        if is_done:
            return
        if day is None:
            self.outside_layout += 1
        else:
            self.first_day = day if self.first_day is None else min(day, self.first_day)


def days_from(cursor: date, before: datetime, late_days: int) -> tuple[date, date]:
    """The first and last day to list, with late arrivals and other time zones."""
    return cursor - timedelta(late_days), before.date() + timedelta(1)
