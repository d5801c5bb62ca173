"""Which images of a night people audit: a random sample, the same for everybody, from the least sure to the surest."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from itertools import pairwise
from typing import Final

import pyarrow.compute as pc

from pipeline.storage.tables import CaptionTable
from pipeline.storage.tables.schema import MODEL, USABLE

SIZE: Final = 100  # images a night


class AuditSamples:
    """The samples of the nights of a table, which is read once a night."""

    def __init__(self, table: CaptionTable) -> None:
        self._table = table
        self._known: dict[str, list[str]] = {}

    def of(self, night: str) -> list[str]:
        """The images that people audit of a night, in the order in which they do."""
        if not self._known.get(night):  # an empty night may be published later
            captions = USABLE & (pc.field("source") == MODEL) & (pc.field("night") == night)
            sureness: dict[str, float | None] = {}
            for batch in self._table.batches(captions, ["image", "confidence", "score"]):
                for row in batch.to_pylist():
                    sureness[row["image"]] = row["score"] if row["confidence"] is None else row["confidence"]
            self._known[night] = audit_sample(night, sureness, SIZE)
        return self._known[night]


def audit_sample(night: str, sureness: Mapping[str, float | None], size: int) -> list[str]:
    """At most `size` images of a night in the order of an audit, by the confidence or score of each.

    The images are cut by sureness into as many equal parts as images are drawn, and each part gives one (stratified
    sampling with proportional allocation). Names decide, with the night's: so every call gives the same. The order is
    random, so that the first images of a sample are a sample, too.
    """
    keys = {image: _key("image", night, image) for image in sureness}
    least = float("-inf")
    ordered = sorted(keys, key=lambda image: (least if (sure := sureness[image]) is None else sure, keys[image]))
    count = min(size, len(ordered))
    ends = [number * len(ordered) // count for number in range(count + 1)] if count else []
    drawn = [min(ordered[start:end], key=keys.__getitem__) for start, end in pairwise(ends)]
    return sorted(drawn, key=lambda image: _key("order", night, image))


def is_blind(night: str, image: str) -> bool:
    """Whether an image is of the random half whose caption stays hidden until a person has written their own."""
    return _key("blind", night, image)[0] % 2 == 0


def _key(use: str, night: str, image: str) -> bytes:
    text = "\0".join((use, night, image))
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
