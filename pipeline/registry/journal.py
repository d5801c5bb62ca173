"""The promotion journal: which version may caption, since when, on what evidence and on whose word.

    promotions/00000001.json   promotions/00000002.json   ..

Numbers have no gaps, and no entry is written twice. Creating entry n+1 after reading n is the promotion: of several
writers one makes the file, by a hard link or S3's If-None-Match, and the others fail. An MLflow alias has no such
compare-and-swap, so it is only a copy of the journal. Whoever has an account at MLflow may set tags and aliases, so they
authorise nothing: an entry names version, digest and engine.
"""

from __future__ import annotations

import uuid
from bisect import bisect_left
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import takewhile
from pathlib import Path
from typing import Final, Literal

from pydantic import ConfigDict, Field, ValidationError

from pipeline.core.environment import Home
from pipeline.core.errors import ObjectUnavailable, Permanent, PromotionConflict, SettingsError
from pipeline.core.settings import Group
from pipeline.model.interface import PinnedModel
from pipeline.storage.objects import Folder, open_folder

Action = Literal["promote", "rollback", "allow", "revoke"]
ALLOW: Final = "allow"  # an external captioner may run, and is not the champion
REVOKE: Final = "revoke"  # it may run no more, by whatever entry before this one
_PERMISSIONS: Final = {ALLOW, REVOKE}


class Change(Group):
    """A promotion or rollback of the registered model `model`, or whether a version that others made may run."""

    model_config = ConfigDict(populate_by_name=True)

    model: str
    action: Action
    origin: str | None = Field(alias="from")  # the version that captioned until then; None for the first
    target: str = Field(alias="to")  # the version that captions from then on
    digest: str  # of the target's bundle, or of an external captioner's files
    engine: str | None = None  # what computes; None in entries from before it was noted, which are of our own bundles
    verdict: str | None = None  # digest of the gate's verdict; None where a person decided without one
    who: str  # a person or an Airflow run
    why: str = ""


class Entry(Change):
    """A change as the journal holds it."""

    format: Literal[1] = 1
    number: int = Field(ge=1)
    id: str  # of the attempt that wrote it, by which a writer knows its own entry when an answer was lost
    when: datetime  # in UTC


class Journal:
    """The entries in one folder, local or S3.

    Every method raises ObjectUnavailable when the folder cannot be reached, and Permanent for an unreadable entry.
    """

    def __init__(self, folder: Folder) -> None:
        self._folder, self.uri = folder, folder.uri

    @classmethod
    def of(cls, home: Home) -> Journal:
        """The journal of an installation."""
        if home.promotions.startswith("/"):
            Path(home.promotions).mkdir(parents=True, exist_ok=True)
        return cls(open_folder(home.promotions))

    def last(self) -> int:
        """The number of the newest entry, found by halving; 0 when there is none."""
        above = 1
        while self._has(above):
            above *= 2
        return bisect_left(range(above), True, lo=above // 2 + 1, key=lambda number: not self._has(number)) - 1

    def entries(self, model: str | None = None) -> Iterator[Entry]:
        """The entries about a model, or about all, the newest first."""
        for number in range(self.last(), 0, -1):
            entry = self._read(number)
            if entry is not None and model in {None, entry.model}:
                yield entry

    def decisions(self, model: str) -> Iterator[Entry]:
        """The promotions and rollbacks of a model, the newest first."""
        return (entry for entry in self.entries(model) if entry.action not in _PERMISSIONS)

    def current(self, model: str) -> Entry | None:
        """The newest decision about a model: its target is the champion. None before the first."""
        return next(self.decisions(model), None)

    def about(self, model: str, version: str) -> Entry | None:
        """The newest entry that names a version."""
        return next((entry for entry in self.entries(model) if entry.target == version), None)

    def authorising(self, pinned: PinnedModel) -> Entry | None:
        """The newest entry that names exactly this version, with this digest and engine; of others' none before a `revoke`."""
        engines = {pinned.engine} if pinned.is_external else {pinned.engine, None}
        about = (entry for entry in self.entries(pinned.name) if entry.target == pinned.version)
        entries = takewhile(lambda entry: not (pinned.is_external and entry.action == REVOKE), about)
        return next((entry for entry in entries if entry.digest == pinned.digest and entry.engine in engines), None)

    def append(self, change: Change, since: int) -> Entry:
        """Write the next entry; PromotionConflict if the model has one after `since`, on which the decision rests.

        A change that is written already, by a process stopped before the answer, gives its entry if that is the newest.
        SettingsError if the journal ends before `since`, so is another, or was shortened.
        """
        last = self.last()
        if since > last:  # behind a gap nobody would see it
            raise SettingsError(
                f"the promotion journal in {self.uri} ends with entry {last}, but the decision rests on entry {since}; "
                "let NIGHTCAP_PROMOTIONS name its folder, or restore its files"
            )
        ours, when, number = uuid.uuid4().hex, datetime.now(UTC), since
        while True:
            number += 1
            entry = Entry(number=number, id=ours, when=when, **change.model_dump())
            unknown = {"engine"} if entry.engine is None else None
            data = entry.model_dump_json(indent=1, by_alias=True, exclude=unknown).encode() + b"\n"
            if self._folder.create(_name(number), data):
                return entry
            other = self._read(number)
            if other is None:  # to write the next one would leave a gap, which hides it
                raise ObjectUnavailable(
                    f"{self.uri}/{_name(number)} is there, but cannot be read; restore it or remove it"
                )
            if other.id == ours or _same(other, change):
                newest = other if change.action in _PERMISSIONS else self.current(change.model) or other
                if newest.number == other.number:
                    return other
                other = newest
            if other.model == change.model and _PERMISSIONS.isdisjoint((other.action, change.action)):
                raise PromotionConflict(
                    f"{change.model} version {change.target} does not become the champion: {other.who} made version "
                    f"{other.target} it meanwhile (promotion journal, entry {other.number}); judge it again"
                )

    def _has(self, number: int) -> bool:
        return self._folder.get(_name(number)) is not None

    def _read(self, number: int) -> Entry | None:
        data = self._folder.get(_name(number))
        try:
            return None if data is None else Entry.model_validate_json(data)
        except ValidationError as error:
            raise Permanent(
                f"{self.uri}/{_name(number)} is not understood by this version of Nightcap: "
                f"{' '.join(str(error).split())[:200]}; entries are never changed by hand: restore the file"
            ) from error


def _name(number: int) -> str:
    return f"{number:08d}.json"


def _same(one: Change, other: Change) -> bool:
    fields = set(Change.model_fields) - {"who", "why"}
    return one.model_dump(include=fields) == other.model_dump(include=fields)
