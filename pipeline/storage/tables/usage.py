"""In which nights versions of a model captioned."""

from __future__ import annotations

from collections import Counter
from functools import reduce
from operator import or_

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from pipeline.storage.tables.captions import CaptionTable
from pipeline.storage.tables.schema import CAPTIONED, MODEL

_BY = ["model_name", "model_version", "night"]

ModelVersion = tuple[str, str]


def nights_of(table: CaptionTable, name: str, version: str) -> dict[str, int]:
    """The number of a version's captions by night, withdrawn ones included."""
    return usage_of(table, [(name, version)])[name, version]


def usage_of(table: CaptionTable, models: list[ModelVersion]) -> dict[ModelVersion, dict[str, int]]:
    """The number of captions by name and version, then by night, withdrawn ones included."""
    counts: Counter[tuple[str, ...]] = Counter()
    for batch in table.batches(written_by(models), _BY) if models else ():
        groups = pa.Table.from_batches([batch]).group_by(_BY).aggregate([([], "count_all")])
        counts.update({tuple(row[name] for name in _BY): row["count_all"] for row in groups.to_pylist()})
    return {
        model: {night: count for (*of, night), count in sorted(counts.items()) if tuple(of) == model}
        for model in models
    }


def written_by(models: list[ModelVersion]) -> ds.Expression:
    """Condition: captions of some versions, at least one."""
    by_version = ((pc.field("model_name") == name) & (pc.field("model_version") == version) for name, version in models)
    return reduce(or_, by_version) & (pc.field("status") == CAPTIONED) & (pc.field("source") == MODEL)
