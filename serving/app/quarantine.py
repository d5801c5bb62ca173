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
    review.index.refresh()
    condition = pc.field("status") == QUARANTINED
    if night:
        condition &= pc.field("night") == night
    reasons = dict[str, str]()  # the newest of each image
    for row in corrected_table(review.home).newest_first(condition, ["image", "reason"]).to_pylist():
        reasons.setdefault(row["image"], row["reason"])
    forgotten, found = Forgotten.of(review.home.store), defaultdict[str, list[str]](list)
    for image, reason in reasons.items():
        if review.index.of(image) is None and image not in forgotten:
            found[reason].append(image)
    groups = [_group(reason, images, night) for reason, images in sorted(found.items(), key=lambda each: -len(each[1]))]
    review.listed.update(image for group in groups for image in group["images"])
    return {"night": night, "groups": groups, "total": sum(map(len, found.values()))}


def _group(reason: str, images: list[str], night: str) -> dict[str, Any]:
    of_night = ["--night", shlex.quote(night)] if night else []
    return {
        "reason": reason,
        "meaning": NIGHT_REASONS.get(reason, ""),
        "count": len(images),
        "images": images[:_SHOWN],
        "replay": ["replay", *of_night, "--reason", shlex.quote(reason)],
    }
