"""Images whose trouble may pass: a night tries them again, each time after a longer while, and at last no more."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

import pyarrow as pa

_MOST_TRIES = 8
_DAY = timedelta(days=1)
_EARLIER = timedelta(hours=12)  # than a whole number of days, as no two nights begin at the same second


@dataclass(frozen=True)
class PassingTroubles:
    """Batches of string columns `image` and `etag`, as of one moment."""

    due: pa.Table  # to be tried now
    later: pa.Table  # not yet
    ended: pa.Table  # tried too often

    @classmethod
    def of(cls, batches: Iterable[pa.RecordBatch], now: datetime) -> PassingTroubles:
        """From the rows of all tries: columns image, etag and captioned_at."""
        rows = pa.Table.from_batches(read) if (read := list(batches)) else _ROWS.empty_table()
        tries = rows.group_by(["image", "etag"]).aggregate([("captioned_at", "count"), ("captioned_at", "max")])
        found: dict[str, list[dict[str, str]]] = {"due": [], "later": [], "ended": []}
        for row in tries.to_pylist():
            count, last = row["captioned_at_count"], row["captioned_at_max"]
            state = "ended" if count >= _MOST_TRIES else "due" if now >= last + _distance(count) else "later"
            found[state].append({"image": row["image"], "etag": row["etag"]})
        return cls(**{state: pa.Table.from_pylist(images, _IMAGES) for state, images in found.items()})


def _distance(tries: int) -> timedelta:
    """Between the last of some tries and the next: none after the first, then about 1, 2, 4 and more days."""
    return timedelta(0) if tries == 1 else _DAY * 2 ** (tries - 2) - _EARLIER


_IMAGES = pa.schema([("image", pa.string()), ("etag", pa.string())])
_ROWS = pa.schema([*_IMAGES, ("captioned_at", pa.timestamp("us", "UTC"))])
