"""The current table."""

import shutil
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from pipeline.core.errors import SettingsError
from pipeline.storage.tables import HUMAN, CaptionTable
from pipeline.storage.tables import current as current_module
from pipeline.storage.tables.maintenance import compact_table
from pipeline.storage.tables.withdraw import erase, withdraw
from tests.pipeline.storage.tables.table_rows import START, current, files, later, quarantined, row, rows


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


def test_the_sequence_decides_not_a_clock_that_was_ahead_for_a_night(tmp_path):
    table = CaptionTable(tmp_path / "captions")
    table.append(rows(row("a", **later(400, caption="of a wrong clock"))), 0)
    table.append(rows(row("a", **later(1, model_version="2"), caption="newer")), 1)
    table.write_current()
    assert current(table) == table.current(["a"]) == {"a": "newer"}
    compact_table(table)
    table.append(rows(row("b")), table.version())
    table.write_current()
    assert current(table)["a"] == "newer"


@pytest.fixture
def table(tmp_path):
    """Two nights; the second captions `b` again."""
    table = CaptionTable(tmp_path / "captions")
    table.append(rows(row("a"), row("b")), 0)
    shutil.copytree(table.uri, tmp_path / "backup")
    table.write_current()
    table.append(rows(row("b", **later(), caption="newer", model_version="2"), row("c")), 1)
    table.write_current()
    return table


def restore(table):
    shutil.rmtree(table.uri)
    shutil.copytree(f"{table.uri.removesuffix('captions')}backup", table.uri)


FIRST = {"a": "an image of a", "b": "an image of b"}
SECOND = FIRST | {"b": "newer", "c": "an image of c"}


def test_current_of_a_history_that_was_restored_alone(table):
    assert current(table) == SECOND
    restore(table)
    table.write_current()
    assert current(table) == FIRST
    assert erase(table, ["a"]) == 1
    assert current(table) == {"b": "an image of b"}


def test_current_of_a_history_that_grew_again_after_it_was_restored(table):
    restore(table)
    assert table.append(rows(row("d")), 1) == 1
    assert table.version() == 2
    table.write_current()
    assert current(table) == FIRST | {"d": "an image of d"}


def test_withdrawn_rows_leave_a_current_table_that_was_ahead(table):
    restore(table)
    withdraw(table, "captioner", "1")
    assert current(table) == {}


def test_what_another_writer_adds_counts_at_the_next_read(table):
    by_hand = rows(row("b", source=HUMAN, model_name=None, model_version=None, caption="by hand"))
    write_deltalake(table.uri, by_hand, mode="append")
    assert table.current(["b"]) == {"b": "by hand"}
    assert [each for batch in table.current_rows(None, ["image", "caption"]) for each in batch.to_pylist()].count(
        {"image": "b", "caption": "by hand"}
    ) == 1
    assert current(table) == SECOND | {"b": "by hand"}
    table.append(rows(row("b", **later(3), caption="a model's")), 2)
    table.write_current()
    assert current(table) == SECOND | {"b": "by hand"}
    write_deltalake(table.uri, rows(row("c", **later(9), caption="of a program")), mode="append")
    table.write_current()
    assert current(table)["c"] == "of a program"


def test_current_that_another_writer_changed_is_made_anew(table):
    DeltaTable(table.current_uri).delete("image = 'a'")
    write_deltalake(table.current_uri, rows(row("junk")), mode="append")
    table.write_current()
    assert current(table) == SECOND


def test_current_of_a_table_from_before_it_noted_its_files(table):
    shutil.rmtree(table.current_uri)
    write_deltalake(table.current_uri, rows(row("a"), row("stale")))
    table.write_current()
    assert current(table) == SECOND


def test_a_table_of_others_in_its_place_is_left_alone(tmp_path):
    table = CaptionTable(tmp_path / "captions")
    table.append(rows(row("a")), 0)
    write_deltalake(table.current_uri, pa.table({"mine": [1, 2]}))
    with pytest.raises(SettingsError, match="lacks the columns"):
        table.write_current()
    assert DeltaTable(table.current_uri).to_pyarrow_table().num_rows == 2


def test_current_that_lost_its_log_is_made_anew(table):
    before = current(table)
    shutil.rmtree(Path(table.current_uri) / "_delta_log")
    table.append(rows(row("fresh", caption="new")), 1)
    table.write_current()
    assert current(table) == before | {"fresh": "new"}


def test_only_the_files_with_changed_images_are_written_anew(tmp_path, monkeypatch):
    monkeypatch.setattr(current_module, "CURRENT_FILE_ROWS", 10)
    table = CaptionTable(tmp_path / "captions")
    table.append(rows(*(row(f"p{n:03d}") for n in range(100))), 0)
    table.write_current()
    before = files(table.current_uri)
    table.append(rows(*(row(f"q{n}") for n in range(5))), 1)
    table.write_current()
    assert len(before) == 10
    assert set(before) < {*map(name, DeltaTable(table.current_uri).file_uris())}
    changed = ("p003", "p005", "p042")
    table.append(rows(*(row(each, **later(model_version="2"), caption="newer") for each in changed)), 2)
    table.write_current()
    left = {*map(name, DeltaTable(table.current_uri).file_uris())} & {*before}
    assert len(left) == 8
    expected = {f"p{n:03d}": f"an image of p{n:03d}" for n in range(100)} | {
        f"q{n}": f"an image of q{n}" for n in range(5)
    }
    assert current(table) == expected | dict.fromkeys(changed, "newer")
    assert DeltaTable(table.current_uri).to_pyarrow_table().num_rows == 105


def test_the_current_table_is_the_same_in_one_pass_or_many(tmp_path, monkeypatch):
    table = CaptionTable(tmp_path / "captions")
    table.append(
        rows(*(row(f"p{n % 20}", etag=f"e{n}", caption=f"{n}", captioned_at=START + timedelta(n)) for n in range(40))),
        0,
    )
    monkeypatch.setattr(current_module, "_PASS_ROWS", 3)
    table.write_current()
    assert current(table) == {f"p{n}": f"{n + 20}" for n in range(20)}


def test_a_night_without_a_caption(table):
    table.append(rows(quarantined("d", "corrupt")), 2)
    table.append(rows(row("b", source=HUMAN, caption="by hand", model_version=None)), 3)
    table.write_current()
    table.append(rows(quarantined("e", "corrupt"), row("b", **later(5), caption="a model's", model_version="3")), 4)
    table.write_current()
    assert current(table) == SECOND | {"b": "by hand"}


def name(uri):
    return uri.rpartition("/")[2]
