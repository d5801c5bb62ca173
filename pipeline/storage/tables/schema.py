"""The schemas of captions and of quarantined rows, and conditions on rows."""

from __future__ import annotations

from collections.abc import Collection

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from pipeline.core.reasons import SOURCE_CHANGED

CAPTIONED = "captioned"
QUARANTINED = "quarantined"
MODEL = "model"
HUMAN = "human"

SCHEMA = pa.schema(
    [
        pa.field("image", pa.string(), nullable=False),
        pa.field("etag", pa.string(), nullable=False),
        pa.field("sha256", pa.string()),
        pa.field("status", pa.string(), nullable=False),
        pa.field("reason", pa.string()),
        pa.field("caption", pa.string()),
        pa.field("alternatives", pa.list_(pa.field("element", pa.string()))),
        pa.field("score", pa.float64()),
        pa.field("source", pa.string(), nullable=False),
        pa.field("model_name", pa.string()),
        pa.field("model_version", pa.string()),
        pa.field("engine", pa.string()),
        pa.field("night", pa.string()),
        pa.field("run", pa.string()),
        pa.field("captioned_at", pa.timestamp("us", "UTC"), nullable=False),
        pa.field("withdrawn", pa.bool_(), nullable=False),
        pa.field("width", pa.int32()),
        pa.field("height", pa.int32()),
        pa.field("flags", pa.list_(pa.field("element", pa.string()))),
        pa.field("confidence", pa.float64()),  # estimated CIDEr-D
        pa.field("sequence", pa.int64()),  # of the commit that added the row, set by the table
        pa.field("who", pa.string()),  # wrote a caption with the source `HUMAN`
    ]
)

# Columns that every table of captions has; the others joined later and may be null or absent.
CORE = frozenset(SCHEMA.names) - {"confidence", "sequence", "who"}

# A quarantined row of a night is in the table of captions, one of a training in `TRAINING_QUARANTINE`.
COMMON_QUARANTINE = pa.schema(
    {"image": pa.string(), "sha256": pa.string(), "status": pa.string(), "reason": pa.string(), "caption": pa.string()}
)
TRAINING_QUARANTINE = pa.schema(
    [*COMMON_QUARANTINE, ("kind", pa.string()), ("position", pa.int64()), ("detail", pa.string())]
)

_STATUS, _REASON = pc.field("status"), pc.field("reason")
USABLE: ds.Expression = (_STATUS == CAPTIONED) & ~pc.field("withdrawn")
FINAL: ds.Expression = USABLE | ((_STATUS == QUARANTINED) & (_REASON != SOURCE_CHANGED))


def one_of(column: str, values: Collection[str]) -> ds.Expression:
    """Condition: a column's text is one of some values, perhaps none."""
    return pc.field(column).isin(pa.array(sorted(values), pa.string()))
