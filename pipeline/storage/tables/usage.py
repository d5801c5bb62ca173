"""Which versions of a model captioned, in which nights."""

from __future__ import annotations

from collections import Counter

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from pipeline.storage.tables.captions import CaptionTable
from pipeline.storage.tables.schema import CAPTIONED, MODEL

_BY = ["model_name", "model_version", "night"]

ModelVersion = tuple[str, str]


def nights_of(table: CaptionTable, name: str, version: str) -> dict[str, int]:
    """How many captions a version wrote in each night, withdrawn ones too, by the night's name."""
    return usage_of(table, [(name, version)])[name, version]


def usage_of(table: CaptionTable, models: list[ModelVersion]) -> dict[ModelVersion, dict[str, int]]:
    """How many captions versions wrote in each night, withdrawn ones too, by name and version, then by the night."""
    counts: Counter[tuple[str, ...]] = Counter()
    for batch in table.batches(written_by(models), _BY) if models else ():
        groups = pa.Table.from_batches([batch]).group_by(_BY).aggregate([([], "count_all")])
        counts.update({tuple(row[name] for name in _BY): row["count_all"] for row in groups.to_pylist()})
    return {
        model: {night: count for (*of, night), count in sorted(counts.items()) if tuple(of) == model}
        for model in models
    }


def written_by(models: list[ModelVersion]) -> ds.Expression:
    """The captions of some versions, of which there is at least one."""
    one, *others = models
    theirs = _of(*one)
    for other in others:
        theirs |= _of(*other)
    return theirs & (pc.field("status") == CAPTIONED) & (pc.field("source") == MODEL)


def _of(name: str, version: str) -> ds.Expression:
    return (pc.field("model_name") == name) & (pc.field("model_version") == version)
