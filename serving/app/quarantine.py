"""Images without a caption, by the reason."""

from __future__ import annotations

import shlex
from collections import defaultdict
from typing import Any, Final

import pyarrow.compute as pc

from pipeline.core.reasons import NIGHT_REASONS
from pipeline.storage.forgotten import Forgotten
from pipeline.storage.tables.schema import QUARANTINED
from serving.app.review import Review
from serving.upkeep.correct import corrected_table

_SHOWN: Final = 24  # of each reason


def quarantined_images(review: Review, night: str) -> dict[str, Any]:
    """What `quarantine.html` shows, of one night or of all: images that still have no caption."""
    condition = pc.field("status") == QUARANTINED
    forgotten, found = Forgotten.of(review.home.store), defaultdict[str, dict[str, None]](dict)
    for batch in corrected_table(review.home).batches(
        condition if not night else condition & (pc.field("night") == night), ["image", "reason"]
    ):
        for row in batch.to_pylist():
            if review.index.of(row["image"]) is None and row["image"] not in forgotten:
                found[row["reason"]][row["image"]] = None
    groups = [
        _group(reason, list(images), night) for reason, images in sorted(found.items(), key=lambda each: -len(each[1]))
    ]
    review.listed.update(image for group in groups for image in group["images"])
    return {"night": night, "groups": groups, "total": len(set().union(*found.values()))}


def _group(reason: str, images: list[str], night: str) -> dict[str, Any]:
    of_night = ["--night", shlex.quote(night)] if night else []
    return {
        "reason": reason,
        "meaning": NIGHT_REASONS.get(reason, ""),
        "count": len(images),
        "images": images[:_SHOWN],
        "replay": ["replay", *of_night, "--reason", shlex.quote(reason)],
    }
