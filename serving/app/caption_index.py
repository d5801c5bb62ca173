"""An index of the current captions, so that a page with words, filters and an order is there at once.

SQLite (FTS5) holds it in a temporary file of its own, which goes with the process: the table alone keeps captions.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from threading import Lock
from typing import Any, Final, Literal

import pyarrow.compute as pc
import pyarrow.dataset as ds

from pipeline.storage.tables import CaptionTable
from pipeline.storage.tables.schema import HUMAN, one_of

Order = Literal["confidence", "newest", "name"]

_COLUMNS: Final = (
    *("image", "caption", "source", "who", "night", "model_name", "model_version", "confidence", "alternatives"),
    "captioned_at",
)
_ORDERS: Final = {
    "confidence": "confidence IS NULL, confidence, id",
    "newest": "captioned_at DESC, id DESC",
    "name": "image",
}
_TABLES: Final = f"""
    CREATE TABLE captions (id INTEGER PRIMARY KEY, {", ".join(_COLUMNS)});
    CREATE VIRTUAL TABLE words USING fts5(caption, image, content='captions', content_rowid='id');
"""
_INDEXES: Final = """
    INSERT INTO words(words) VALUES ('rebuild');
    CREATE UNIQUE INDEX by_image ON captions(image);
    CREATE INDEX by_night ON captions(night, captioned_at);
    CREATE INDEX by_night_and_name ON captions(night, image);
    CREATE INDEX by_night_and_confidence ON captions(night, confidence IS NULL, confidence, id);
    CREATE INDEX by_confidence ON captions(confidence IS NULL, confidence, id);
    CREATE INDEX by_time ON captions(captioned_at, id);
"""
_LISTED: Final = ", ".join(_COLUMNS)
_INSERT: Final = f"INSERT INTO captions({_LISTED}) VALUES ({', '.join('?' * len(_COLUMNS))})"  # noqa: S608
_PHRASE: Final = re.compile(r'"([^"]+)"|(\S+)')


@dataclass(frozen=True)
class CaptionQuery:
    """Which captions are wanted, and in which order."""

    words: str = ""  # all of them, the last perhaps only begun; phrases stand in quotation marks
    night: str = ""
    source: Literal["", "model", "human"] = ""
    order: Order = "confidence"


@dataclass(frozen=True)
class CurrentCaption:
    """The current caption of an image."""

    image: str
    caption: str
    source: str
    who: str | None  # wrote it, if a person did
    night: str | None  # the newest that has a row of the image, if a person wrote the caption
    model_name: str | None
    model_version: str | None
    confidence: float | None  # estimated CIDEr-D
    alternatives: tuple[str, ...]
    captioned_at: str  # ISO 8601


class CaptionIndex:
    """The current captions of a table; several threads may ask at once. Methods raise as the table's."""

    def __init__(self, table: CaptionTable) -> None:
        """Read all captions of a table."""
        self._table = table
        self._using, self._building = Lock(), Lock()
        self._version, self._database = self._built()

    def refresh(self) -> None:
        """Read all anew if the table has changed; other threads find what was there before meanwhile."""
        if self._table.version() == self._version or not self._building.acquire(blocking=False):
            return
        try:
            version, database = self._built()
            with self._using:
                old, self._version, self._database = self._database, version, database
                old.close()
        finally:
            self._building.release()

    def reread(self, image: str, before: int | None = None) -> None:
        """Read one image's caption anew, which this process has changed, perhaps in one commit after the version `before`."""
        rows, now = list(self._rows(one_of("image", [image]))), self._table.version()
        with self._using, self._database as database:
            if before == self._version and now == self._version + 1:
                self._version = now  # nobody else has written, so all is read
            for row in database.execute("SELECT id, caption, image FROM captions WHERE image = ?", [image]).fetchall():
                database.execute("INSERT INTO words(words, rowid, caption, image) VALUES ('delete', ?, ?, ?)", row)
                database.execute("DELETE FROM captions WHERE id = ?", row[:1])
            for row in rows:
                number = database.execute(_INSERT, row).lastrowid
                database.execute("INSERT INTO words(rowid, caption, image) VALUES (?, ?, ?)", (number, row[1], row[0]))

    def find(self, query: CaptionQuery, start: int, count: int) -> tuple[int, list[CurrentCaption]]:
        """How many captions a query finds, and `count` of them from the place `start` on."""
        condition, values = _condition(query)
        with self._using:
            total = self._database.execute(f"SELECT count(*) {condition}", values).fetchone()[0]
            places = f"SELECT id {condition} ORDER BY {_ORDERS[query.order]} LIMIT ? OFFSET ?"
            rows = self._database.execute(
                f"SELECT {_LISTED} FROM captions WHERE id IN ({places}) ORDER BY {_ORDERS[query.order]}",  # noqa: S608
                [*values, count, start],
            ).fetchall()
        return total, [_caption(row) for row in rows]

    def search(self, words: str, count: int) -> list[CurrentCaption]:
        """The `count` captions that words fit best (BM25), the best first; words as in a query."""
        if not (match := _match(words)):
            return []
        columns = ", ".join(f"captions.{name}" for name in _COLUMNS)
        found = f"SELECT {columns} FROM words JOIN captions ON captions.id = words.rowid WHERE words MATCH ?"  # noqa: S608
        with self._using:
            rows = self._database.execute(f"{found} ORDER BY rank, captions.id LIMIT ?", [match, count]).fetchall()
        return [_caption(row) for row in rows]

    def leads_to(self, query: CaptionQuery, image: str, count: int) -> bool:
        """Whether an image is one of the first `count` that a query finds."""
        condition, values = _condition(query)
        with self._using:
            places = f"SELECT image {condition} ORDER BY {_ORDERS[query.order]} LIMIT ?"
            found = self._database.execute(f"SELECT 1 FROM ({places}) WHERE image = ?", [*values, count, image])  # noqa: S608
            return found.fetchone() is not None

    def of(self, image: str) -> CurrentCaption | None:
        """The current caption of an image."""
        with self._using:
            row = self._database.execute(f"SELECT {_LISTED} FROM captions WHERE image = ?", [image]).fetchone()  # noqa: S608
        return _caption(row) if row else None

    def nights(self) -> list[str]:
        """Every night with a current caption, the newest first."""
        with self._using:
            rows = self._database.execute(
                "SELECT night FROM captions WHERE night IS NOT NULL GROUP BY night "
                "ORDER BY max(CASE WHEN source = 'model' THEN captioned_at END) DESC"  # a correction makes none newer
            ).fetchall()
        return [night for (night,) in rows]

    def _built(self) -> tuple[int, sqlite3.Connection]:
        version, database = self._table.version(), sqlite3.connect("", check_same_thread=False)
        database.executescript(_TABLES)
        database.executemany(_INSERT, self._rows(pc.scalar(True)))
        database.executescript(_INDEXES)
        return version, database

    def _rows(self, condition: ds.Expression) -> Iterator[tuple[Any, ...]]:
        nights = self._nights_of_human_captions(condition)
        for batch in self._table.current_rows(condition, list(_COLUMNS)):
            for row in batch.to_pylist():
                row["night"] = row["night"] or nights.get(row["image"])
                row["alternatives"] = json.dumps(row["alternatives"] or [])
                row["captioned_at"] = row["captioned_at"].isoformat()
                yield tuple(row[name] for name in _COLUMNS)

    def _nights_of_human_captions(self, condition: ds.Expression) -> dict[str, str]:
        """Of images that a person has captioned: the newest night that has a row of the image."""
        by_people = self._table.current_rows(condition & (pc.field("source") == HUMAN), ["image"])
        images = {image for batch in by_people for image in batch["image"].to_pylist()}
        of_nights = one_of("image", images) & pc.field("night").is_valid()
        rows = self._table.newest_first(of_nights, ["image", "night"]).to_pylist() if images else []
        return {row["image"]: row["night"] for row in reversed(rows)}


def _condition(query: CaptionQuery) -> tuple[str, list[str]]:
    """What follows the columns of a SELECT, and its values."""
    found = {
        "id IN (SELECT rowid FROM words WHERE words MATCH ?)": _match(query.words),
        "night = ?": query.night,
        "source = ?": query.source,
    }
    given = {condition: value for condition, value in found.items() if value}
    return f"FROM captions WHERE {' AND '.join(['1', *given])}", list(given.values())


def _match(words: str) -> str:
    """Words as FTS5 takes them: each a phrase of its own, the last a beginning."""
    words = words.replace("\0", " ")
    phrases = ['"' + (phrase or word).replace('"', '""') + '"' for phrase, word in _PHRASE.findall(words)]
    return " ".join(phrases) + ("*" if phrases and not words.endswith(('"', " ")) else "")


def _caption(row: tuple[Any, ...]) -> CurrentCaption:
    values = dict(zip(_COLUMNS, row, strict=True))
    return CurrentCaption(**values | {"alternatives": tuple(json.loads(values["alternatives"]))})
