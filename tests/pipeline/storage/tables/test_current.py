"""The current table."""

from datetime import timedelta

from deltalake import DeltaTable

from pipeline.storage.tables import CaptionTable
from tests.pipeline.storage.tables.table_rows import START, current, row, rows


def test_current_prefers_people_then_the_newest_that_stands(tmp_path):
    table = CaptionTable(tmp_path / "captions")
    later = {"captioned_at": START + timedelta(days=1), "model_version": "2"}
    latest = {"captioned_at": START + timedelta(days=2), "model_version": "3"}
    table.append(
        rows(
            row("newest", **later, caption="second"),
            row("newest", caption="first"),
            row("human", caption="mine", source="human", model_version=None),
            row("human", **later, caption="the model's"),
            row("withdrawn", **later, caption="bad", withdrawn=True),
            row("withdrawn", caption="good"),
            row("gone", withdrawn=True),
            row("broken", status="quarantined", reason="corrupt", caption=None),
        ),
        0,
    )
    table.write_current()
    assert current(table) == {"newest": "second", "human": "mine", "withdrawn": "good"}
    table.append(rows(row("newest", **latest, caption="third"), row("fresh", caption="new")), 1)
    table.write_current()
    assert current(table) == {"newest": "third", "human": "mine", "withdrawn": "good", "fresh": "new"}


def test_an_older_view_never_replaces_a_newer(tmp_path):
    table = CaptionTable(tmp_path / "captions")
    table.append(rows(row("a")), 0)
    table.write_current()
    before = DeltaTable(table.current_uri).version()
    table.write_current()
    assert DeltaTable(table.current_uri).version() == before


def test_current_of_a_history_with_nothing_usable_is_empty(tmp_path):
    table = CaptionTable(tmp_path / "captions")
    table.append(rows(row("broken", status="quarantined", reason="corrupt", caption=None)), 0)
    table.write_current()
    assert current(table) == {}
