"""A night that is held back: its captions, before anybody accepts it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from pipeline.core.errors import SettingsError
from pipeline.storage.files import read_json_if_whole
from pipeline.storage.forgotten import Forgotten
from pipeline.storage.tables.delta_log import is_whole
from serving.app.review import Review
from serving.monitoring.guard import DRIFT, QUARANTINE
from serving.runs.lifecycle import held_night
from serving.runs.plan_file import Plan

_SHOWN: Final = 48
_FREQUENT: Final = 5
_COLUMNS: Final = ["image", "caption", "reason", "confidence"]


def held_captions(review: Review, night: str) -> dict[str, Any]:
    """What `held.html` shows; SettingsError if the night is not held back."""
    path = held_night(review.home.store, night)
    if path is None:
        raise SettingsError(f"night {night!r} is not held back, or not any more; the list of nights tells its state")
    plan, forgotten = Plan.read(path), Forgotten.of(review.home.store)
    captions, some = _captions(plan.parts), _spread(plan.parts)
    shown = [row for row in some if row["image"] not in forgotten]
    review.listed.update(row["image"] for row in shown)
    counts = sorted(pc.value_counts(captions).to_pylist(), key=lambda each: -each["counts"])
    return {
        "night": night,
        "message": plan.hold_message,
        "captioned": len(captions),
        "different": len(counts),
        "frequent": [(each["values"], each["counts"]) for each in counts[:_FREQUENT] if each["counts"] > 1],
        "shown": shown,
        "accept": ["night", "--night", night, *_accepting(path)],
    }


def _accepting(plan: Path) -> list[str]:
    guards = (read_json_if_whole(plan.parents[1] / "held.json") or {}).get("guards", [])
    return [f"--accept-{guard}" for guard in (QUARANTINE, DRIFT) if guard in guards]


def _captions(parts: Path) -> pa.ChunkedArray:
    return _rows(parts).to_table(["caption"], filter=pc.field("caption").is_valid())["caption"]


def _spread(parts: Path) -> list[dict[str, Any]]:
    """Rows from all over the night."""
    rows = _rows(parts)
    count = rows.count_rows()
    places = np.unique(np.linspace(0, max(count - 1, 0), min(_SHOWN, count)).astype(int))
    return list(rows.take(pa.array(places, pa.int64()), columns=_COLUMNS).to_pylist()) if count else []


def _rows(parts: Path) -> ds.Dataset:
    schema = pa.schema(
        {"image": pa.string(), "caption": pa.string(), "reason": pa.string(), "confidence": pa.float64()}
    )
    return ds.dataset([str(path) for path in sorted(parts.glob("*.parquet")) if is_whole(path)], schema)
