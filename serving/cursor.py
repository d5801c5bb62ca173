"""From which day on an input by days still has to be listed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Self

from pipeline.files import digest_of, read_json, write_json


@dataclass(frozen=True)
class Cursor:
    """The first day with anything that a night did not find in the table.

    All before it is in the table, and stays there; so whatever became of that night's own
    pictures, the next night finds what is left by listing from that day on.

    Attributes:
        path: where it is kept.
        day: None if everything has to be listed.
        sequence: of the table that it speaks of.
    """

    path: Path
    day: date | None
    sequence: int

    @classmethod
    def read(cls, store: Path, of: tuple[str, ...], sequence: int) -> Self:
        """The cursor that the last night left for an input, a table and a layout.

        A table that is behind the cursor is another one, and is listed for from the beginning.
        """
        path = store / "cursors" / f"{digest_of(of)}.json"
        if path.is_file():
            kept = read_json(path)
            if kept["sequence"] <= sequence:
                return cls(path, date.fromisoformat(kept["day"]), sequence)
        return cls(path, None, sequence)

    def move(self, day: date | None) -> None:
        """Keep another day for the next night; None makes it list everything."""
        if day is None:
            self.path.unlink(missing_ok=True)
        else:
            write_json(self.path, {"day": day.isoformat(), "sequence": self.sequence})
