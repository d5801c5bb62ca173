"""From which day on an input by days still has to be listed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Self

from pipeline.storage.files import digest_of, read_json, write_json


@dataclass(frozen=True)
class Cursor:
    """The first day with anything that a night did not find in the table.

    All before it is in the table, and stays there unless a version is withdrawn; so whatever became
    of that night's own images, the next night finds what is left by listing from that day on.

    Attributes:
        path: where it is kept.
        day: None if everything has to be listed.
        sequence: of the table that it speaks of.
        withdrawn: rows of that table, by commit.
    """

    path: Path
    day: date | None
    sequence: int
    withdrawn: Mapping[str, int]

    @classmethod
    def read(cls, store: Path, of: tuple[str, ...], sequence: int, withdrawn: Mapping[str, int]) -> Self:
        """The cursor that the last night left for an input, a table and a layout.

        A table that is behind the cursor is another one, and is listed for from the beginning; so is one
        that has withdrawn rows since, as an image of any day may be without a caption again.

        Args:
            store: where cursors are kept.
            of: input, table and layout.
            sequence: of the table, read before its rows, as is `withdrawn`: what changes afterwards then
                counts for the next night.
            withdrawn: how many of the table's rows are, by commit.
        """
        path = store / "cursors" / f"{digest_of(of)}.json"
        if path.is_file():
            kept = read_json(path)
            if kept["sequence"] <= sequence and Counter(withdrawn) <= Counter(kept.get("withdrawn", {})):
                return cls(path, date.fromisoformat(kept["day"]), sequence, withdrawn)
        return cls(path, None, sequence, withdrawn)

    def move(self, day: date | None) -> None:
        """Keep another day for the next night; None makes it list everything."""
        if day is None:
            self.path.unlink(missing_ok=True)
        else:
            kept = {"day": day.isoformat(), "sequence": self.sequence, "withdrawn": dict(self.withdrawn)}
            write_json(self.path, kept)
