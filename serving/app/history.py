"""All that the table knows of one image."""

from __future__ import annotations

import shlex
from typing import Any, Final

from pipeline.core.errors import SettingsError
from pipeline.core.reasons import NIGHT_REASONS
from pipeline.storage.forgotten import Forgotten
from pipeline.storage.tables.schema import CAPTIONED, HUMAN, one_of
from serving.app.review import Review
from serving.upkeep.correct import corrected_table

_COLUMNS: Final = [
    *("image", "status", "reason", "caption", "alternatives", "source", "who", "model_name", "model_version"),
    *("night", "captioned_at", "withdrawn", "confidence", "flags"),
]


def history_of(review: Review, image: str) -> dict[str, Any]:
    """What `history.html` shows; SettingsError if the table has no row of the image."""
    rows = corrected_table(review.home).newest_first(one_of("image", [image]), _COLUMNS).to_pylist()
    if not rows or image in Forgotten.of(review.home.store):
        raise SettingsError(f"the table has no row of {image}; open its page from the review of its caption")
    review.listed.add(image)
    usable = [row for row in rows if row["status"] == CAPTIONED and not row["withdrawn"]]
    current = next((row for row in usable if row["source"] == HUMAN), next(iter(usable), None))
    shown = [
        row | {"by": _by(row), "meaning": NIGHT_REASONS.get(row["reason"], ""), "is_current": row is current}
        for row in rows
    ]
    return {
        "image": image,
        "rows": [each | {"flags": each["flags"] or []} for each in shown],
        "quoted": shlex.quote(image),
    }


def _by(row: dict[str, Any]) -> str:
    if row["source"] == HUMAN:
        return row["who"] or "a person"
    return f"{row['model_name']} version {row['model_version'] or '(a folder)'}"
