"""What a home remembers of its inputs and tables, so that an empty mount point is not taken for one of them.

Each place is a file of JSON with its address, how much it held, and when. It lies beside the nights of the store, where
every night may write and, should the store itself be on a disk that is not mounted, in the home as far as that may be
written.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
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
    "input": "if it is meant to be empty, accept_empty goes on (`nightcap night --accept-empty`)",
    "table": "if it is gone for good, accept_empty goes on (`nightcap night --accept-empty` begins it anew)",
}


@dataclass(frozen=True)
class Place:
    """An input or a table, and what it held when a night last saw it."""

    kind: PlaceKind
    uri: str
    count: int  # images listed, or rows
    when: str  # in UTC, as ISO 8601

    def empty(self, what: str) -> ObjectUnavailable:
        """The error for a place that is found empty or missing; `what` says how."""
        return ObjectUnavailable(
            f"{self.kind} {self.uri} {what}; on {self.when[:16].replace('T', ' at ')} UTC it held {self.count:,} "
            f"{_UNITS[self.kind]}: mount its disk; {_MEANT[self.kind]}"
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

    def remember(self, kind: PlaceKind, uri: str, count: int, if_unknown: bool = False) -> None:
        """Note how much a place holds, if it is not empty and that is news; perhaps only if nothing is known of it."""
        known = self.find(kind, uri) if count else None
        if count and not (known and (if_unknown or known.count == count)):
            self._note(kind, uri, count)

    def find(self, kind: PlaceKind, uri: str) -> Place | None:
        """What a place held, if it is remembered and no person has accepted that it is empty."""
        for folder in self.folders:
            try:
                place = Place(**read_json(folder / _file_name(kind, uri)))
                return place if place.count else None
            except (FileNotFoundError, NotADirectoryError):
                continue
            except (ValueError, TypeError) as error:
                log.warning("%s is damaged and left out: %s", folder / _file_name(kind, uri), error)
        return None

    def found_empty(self, kind: PlaceKind, uri: str, what: str, accepted: bool) -> None:
        """Raise ObjectUnavailable for an empty place that was full; note that it is empty where a person accepts that."""
        place = self.find(kind, uri)
        if place and not accepted:
            raise place.empty(what)
        if place:
            self._note(kind, uri, 0)

    def require_table(self, table: CaptionTable, accepted: bool = False) -> CaptionTable:
        """The table; raises ObjectUnavailable if it held rows and is not there, unless a person accepts that."""
        if self.find("table", table.uri) and not table.is_there():
            self.found_empty("table", table.uri, "is not there", accepted)
        return table

    def _note(self, kind: PlaceKind, uri: str, count: int) -> None:
        place = Place(kind, uri, count, datetime.now(UTC).isoformat(timespec="seconds"))
        first, *others = (folder / _file_name(kind, uri) for folder in self.folders)
        write_json(first, asdict(place))
        for path in others:
            with suppress(OSError, ObjectUnavailable):  # a home that nights may only read
                write_json(path, asdict(place))


def _file_name(kind: PlaceKind, uri: str) -> str:
    return f"{digest_of((kind, uri))[:32]}.json"
