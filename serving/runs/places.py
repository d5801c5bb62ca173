"""What a home remembers of its inputs and tables, so that an empty mount point is not taken for one of them.

Each place is a file of JSON with its address, how much it held, and when. It lies beside the nights of the store, where
every night may write and, should the store itself be on a disk that is not mounted, in the home as far as that may be
written.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Literal, Self

from pipeline.core.environment import Home
from pipeline.core.errors import ObjectUnavailable
from pipeline.storage.files import digest_of, read_json, write_json

if TYPE_CHECKING:
    from pipeline.storage.tables import CaptionTable

log = logging.getLogger(__name__)

PlaceKind = Literal["input", "table"]

_UNITS = {"input": "images", "table": "rows"}
_MEANT = {
    "input": "if it is meant to be empty, {first}accept_empty goes on (`nightcap night --input {uri} --accept-empty`)",
    "table": "if it is gone for good, accept_empty goes on (`nightcap night --table {uri} --accept-empty` begins it anew, "
    "`nightcap forget --accept-empty` does without it)",
}


@dataclass(frozen=True)
class Place:
    """An input or a table, and what it held when a night last saw it."""

    kind: PlaceKind
    uri: str
    count: int  # images listed, or rows
    when: str  # in UTC, as ISO 8601
    mounts: tuple[str, ...] = ()  # folders in a local input that were disks of their own and held images

    def empty(self, what: str, first: str = "") -> ObjectUnavailable:
        """The error for a place that is found empty or missing; `what` says how, `first` what a person does before accepting it."""
        return ObjectUnavailable(
            f"{self.kind} {self.uri} {what}; on {self.when[:16].replace('T', ' at ')} UTC it held {self.count:,} "
            f"{_UNITS[self.kind]}: mount its disk; {_MEANT[self.kind].format(first=first, uri=quote(self.uri))}"
        )


@dataclass(frozen=True)
class Places:
    """The memory of a home or, where only the store is known, of that."""

    folders: tuple[Path, ...]  # the first that knows a place is asked

    @classmethod
    def of(cls, home: Home) -> Self:
        """The memory of a home."""
        return cls((*cls.in_store(home.store).folders, home.root / "places"))

    @classmethod
    def in_store(cls, store: Path) -> Self:
        """What the store remembers."""
        return cls((store / "nights" / ".places",))

    def remember(
        self, kind: PlaceKind, uri: str, count: int, if_unknown: bool = False, mounts: tuple[str, ...] = ()
    ) -> None:
        """Note how much a place holds, if it is not empty and that is news; its count perhaps only if none is known."""
        known = self.find(kind, uri)
        if known and if_unknown:
            count = known.count
        if count and not (known and (known.count, known.mounts) == (count, mounts)):
            self._note(kind, uri, count, mounts)

    def find(self, kind: PlaceKind, uri: str) -> Place | None:
        """What a place held, if it is remembered and no person has accepted that it is empty."""
        for folder in self.folders:
            try:
                place = Place(**read_json(folder / _file_name(kind, uri)))
                return replace(place, mounts=tuple(place.mounts)) if place.count else None
            except (FileNotFoundError, NotADirectoryError):
                continue
            except (ValueError, TypeError) as error:
                log.warning("%s is damaged and left out: %s", folder / _file_name(kind, uri), error)
        return None

    def require(self, kind: PlaceKind, uri: str, what: str, accepted: bool) -> None:
        """Raise ObjectUnavailable for a place that was full and is empty, unless a person accepts that."""
        if (place := self.find(kind, uri)) and not accepted:
            raise place.empty(what)

    def accept_empty(self, kind: PlaceKind, uri: str) -> None:
        """Note that a person accepts that a place is empty; to be called once what asked for that has succeeded."""
        if self.find(kind, uri):
            self._note(kind, uri, 0)

    def require_table(self, table: CaptionTable, accepted: bool = False) -> CaptionTable:
        """The table; raises ObjectUnavailable if it held rows and is not there, unless a person accepts that."""
        if self.find("table", table.uri) and not table.is_there():
            self.require("table", table.uri, "is not there", accepted)
        return table

    def _note(self, kind: PlaceKind, uri: str, count: int, mounts: tuple[str, ...] = ()) -> None:
        place = Place(kind, uri, count, datetime.now(UTC).isoformat(timespec="seconds"), mounts)
        first, *others = (folder / _file_name(kind, uri) for folder in self.folders)
        write_json(first, asdict(place))
        for path in others:
            with suppress(OSError, ObjectUnavailable):  # a home that nights may only read
                write_json(path, asdict(place))


def _file_name(kind: PlaceKind, uri: str) -> str:
    return f"{digest_of((kind, uri))[:32]}.json"
