"""Nights in which versions captioned."""

from pipeline.storage.tables import CaptionTable
from pipeline.storage.tables.usage import nights_of, usage_of
from tests.pipeline.storage.tables.table_rows import quarantined, row, rows


def test_captions_of_versions_are_counted_by_night(tmp_path):
    table = CaptionTable(tmp_path / "captions")
    table.append(
        rows(
            row("a"),
            row("b", withdrawn=True),
            row("c", night="n2"),
            row("d", model_version="2"),
            row("e", source="human"),
            row("f", model_name="other"),
            quarantined("g", "corrupt"),
        ),
        0,
    )
    assert nights_of(table, "captioner", "1") == {"n1": 2, "n2": 1}
    versions = [("captioner", "2"), ("other", "1"), ("captioner", "3")]
    assert usage_of(table, versions) == {versions[0]: {"n1": 1}, versions[1]: {"n1": 1}, versions[2]: {}}
    assert usage_of(table, []) == {}
