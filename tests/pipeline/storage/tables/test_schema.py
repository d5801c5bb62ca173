"""Schemas of captions and of the quarantine."""

import pyarrow.dataset as ds

from pipeline.core.reasons import SOURCE_CHANGED
from pipeline.storage.tables.schema import COMMON_QUARANTINE, CORE, FINAL, SCHEMA, TRAINING_QUARANTINE, USABLE, one_of
from tests.pipeline.storage.tables.table_rows import quarantined, row, rows

HISTORY = rows(
    row("captioned"),
    row("withdrawn", withdrawn=True),
    quarantined("corrupt", "corrupt"),
    quarantined("changed", SOURCE_CHANGED),
)


def images(condition):
    return ds.dataset(HISTORY).to_table(filter=condition)["image"].to_pylist()


def test_a_withdrawn_caption_is_not_usable_and_a_changed_file_not_final():
    assert images(USABLE) == ["captioned"]
    assert images(FINAL) == ["captioned", "corrupt"]


def test_one_of_none_is_no_row():
    assert images(one_of("image", [])) == []
    assert images(one_of("reason", {"corrupt", SOURCE_CHANGED})) == ["corrupt", "changed"]


def test_columns_of_the_quarantine_are_those_of_captions():
    assert set(COMMON_QUARANTINE) <= {field.with_nullable(True) for field in SCHEMA}
    assert TRAINING_QUARANTINE.names[: len(COMMON_QUARANTINE.names)] == COMMON_QUARANTINE.names
    assert set(SCHEMA.names) - CORE == {"confidence", "sequence", "who"}
