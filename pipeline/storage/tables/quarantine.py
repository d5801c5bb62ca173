"""What a quarantined row is, wherever it was quarantined: in a night or in a training."""

from __future__ import annotations

import pyarrow as pa

STATUS = "quarantined"

# What both have: a night's rows are those of the table of captions, a training's those of TRAINING.
COMMON = pa.schema(
    {"image": pa.string(), "sha256": pa.string(), "status": pa.string(), "reason": pa.string(), "caption": pa.string()}
)
TRAINING_QUARANTINE = pa.schema([*COMMON, ("kind", pa.string()), ("position", pa.int64()), ("detail", pa.string())])
