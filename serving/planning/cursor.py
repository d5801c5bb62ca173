"""The day from which an input with a layout has to be listed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Self

from pipeline.storage.files import digest_of, read_json_if_whole, write_json
from pipeline.storage.objects.image_names import rules_digest


@dataclass(frozen=True)
class Cursor:
    """The first day with an object that a night did not find in the table.

    All older images are in the table, and stay there unless a version is withdrawn. So whatever became of that
    night's own images, the next night finds the rest by listing from that day on.
    """

    path: Path
    day: date | None  # None if everything has to be listed
    sequence: int  # of the table that the day is about
    withdrawn: Mapping[str, int]  # rows of that table, by commit

    @classmethod
    def read(cls, store: Path, of: tuple[str, ...], sequence: int, withdrawn: Mapping[str, int]) -> Self:
        """The cursor that the last night left for an input, a table and a layout.

        Without a day, if the table's sequence is behind the cursor, as it is another table then; if rows were withdrawn
        since, as an image of any day may be without a caption again; or if other rules told then what is an image.

        Sequence and withdrawn rows must be read before the table's rows: later changes count for the next night.
        """
        path = store / "cursors" / f"{digest_of(of)}.json"
        if saved := read_json_if_whole(path):
            is_of_this_table = saved["sequence"] <= sequence
            all_withdrawn_known = Counter(withdrawn) <= Counter(saved.get("withdrawn", {}))
            if is_of_this_table and all_withdrawn_known and saved.get("rules") == rules_digest():
                return cls(path, date.fromisoformat(saved["day"]), sequence, withdrawn)
        return cls(path, None, sequence, withdrawn)

    def move(self, day: date | None) -> None:
        """Save the day for the next night; None makes that night list everything."""
        if day is None:
            self.path.unlink(missing_ok=True)
        else:
            seen = {"sequence": self.sequence, "withdrawn": dict(self.withdrawn), "rules": rules_digest()}
            write_json(self.path, {"day": day.isoformat(), **seen})
