"""Compaction, vacuum, dead attempts and columns that join later."""

import os
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable

from pipeline.storage.tables import SCHEMA, CaptionTable
from pipeline.storage.tables.commits import TableChange, commit, names_of, open_table
from pipeline.storage.tables.maintenance import compact_table, purge, sweep, upgrade_table, vacuum_table
from pipeline.storage.tables.schema import CORE
from tests.pipeline.storage.tables.table_rows import current, files, images, keys, row, rows


@pytest.fixture
def table(tmp_path):
    """Five nights of an image each."""
    table = CaptionTable(tmp_path / "a b#\u00e9'\"(1)&+;=@{}:" / "captions")
    for n in range(5):
        table.append(rows(row(f"p{n}", night=f"n{n}")), n)
        table.write_current()
    return table


def test_compaction_changes_no_row(table):
    before = DeltaTable(table.uri).to_pyarrow_table().sort_by("image")
    assert compact_table(table) == 4
    assert DeltaTable(table.uri).to_pyarrow_table().sort_by("image") == before
    assert len(DeltaTable(table.uri).file_uris()) == 1
    assert current(table) == {f"p{n}": f"an image of p{n}" for n in range(5)}
    assert compact_table(table) == 0


def test_a_night_planned_before_a_compaction_still_publishes_once(table):
    planned_at = table.version()
    compact_table(table)
    assert table.append(rows(row("p4"), row("new")), planned_at) == 2
    assert table.append(rows(row("p4"), row("new")), planned_at) == 0


def test_who_read_before_a_compaction_cannot_overwrite_it(table):
    stale, sequence = open_table(table.uri), table.version()
    DeltaTable(table.uri).optimize.compact()  # by somebody who does not count
    change = TableChange(rows(row("only")).to_batches(), names_of(stale), sequence + 1, sequence + 1)
    assert commit(table.uri, stale, change) is None
    assert len(images(table)) == 5


def test_vacuum_keeps_files_of_the_last_days(table):
    compact_table(table)
    assert vacuum_table(table) == 0
    assert DeltaTable(table.uri, version=1).to_pyarrow_table().num_rows == 1
    assert vacuum_table(table, keep_days=0) == 5 + 5
    assert len(files(table.uri)) == len(files(table.current_uri)) == 1
    assert len(images(table)) == len(current(table)) == 5


def test_files_of_dead_attempts_are_swept(table):
    folder = Path(table.uri)
    dead = folder / f"part-{table.version():010d}-{'0' * 32}.parquet"
    alive = folder / f"part-{table.version() + 1:010d}-{'0' * 32}.parquet"
    foreign = folder / "part-00000-of-somebody-else.parquet"
    for path in (dead, alive, foreign):
        path.write_bytes(b"x")
    sweep(table)
    assert (dead.exists(), alive.exists(), foreign.exists()) == (False, True, True)
    assert len(images(table)) == 5


def test_a_purge_leaves_one_version(table):
    os.utime(Path(table.uri) / "_delta_log" / f"{0:020d}.json")
    compact_table(table)
    purge(table)
    assert len(files(table.uri)) == 1
    assert not (Path(table.uri) / "_delta_log" / f"{0:020d}.json").exists()
    assert len(images(table)) == len(current(table)) == 5
    assert table.append(rows(row("next")), table.version()) == 1
    kept = DeltaTable(table.uri).metadata().configuration
    assert kept["delta.logRetentionDuration"] == "interval 30 days"


def test_a_purge_that_is_killed_leaves_the_log_as_it_should_be_kept(table, monkeypatch):
    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(DeltaTable, "create_checkpoint", killed)
    with pytest.raises(KeyboardInterrupt):
        purge(table)
    monkeypatch.undo()
    assert DeltaTable(table.uri).metadata().configuration["delta.logRetentionDuration"] == "interval 30 days"


def test_a_log_that_an_earlier_release_left_without_a_past_is_mended(table):
    DeltaTable(table.uri).alter.set_table_properties({"delta.logRetentionDuration": "interval 0 seconds"})
    purge(table)
    assert DeltaTable(table.uri).metadata().configuration["delta.logRetentionDuration"] == "interval 30 days"


@pytest.fixture
def old(tmp_path):
    """A table made before some columns joined."""
    core = pa.schema([field for field in SCHEMA if field.name in CORE])
    table = CaptionTable(tmp_path / "old")
    made = DeltaTable.create(table.uri, core)
    path = Path(table.uri) / "part.parquet"
    pa.parquet.write_table(rows(row("a")).select(core.names), path)
    from deltalake.transaction import AddAction

    action = AddAction("part.parquet", path.stat().st_size, {}, 0, True, '{"numRecords": 1}')
    made.create_write_transaction([action], "append", core)
    return table


def test_an_old_table_is_read_as_it_is(old):
    (row,) = old.rows("n1", "r1").to_pylist()
    assert (row["image"], row["confidence"], row["sequence"]) == ("a", None, None)
    assert keys(old.processed()) == {("a", "e1")}


def test_an_old_table_gains_columns_by_command_or_by_the_next_night(old):
    assert upgrade_table(old) == ["confidence", "sequence", "who"]
    assert upgrade_table(old) == []
    assert old.append(rows(row("b", confidence=0.5)), old.version()) == 1
    values = {each["image"]: each["confidence"] for each in DeltaTable(old.uri).to_pyarrow_table().to_pylist()}
    assert values == {"a": None, "b": 0.5}


def test_the_next_night_upgrades_an_old_table(old):
    assert old.append(rows(row("b")), 0) == 1
    old.write_current()
    assert {field.name for field in DeltaTable(old.uri).schema().fields} == set(SCHEMA.names)
    assert set(current(old)) == {"a", "b"}


def test_columns_of_others_survive(table):
    from deltalake.schema import Field, PrimitiveType

    DeltaTable(table.uri).alter.add_columns([Field("rating", PrimitiveType("integer"))])
    DeltaTable(table.uri).update({"rating": "5"}, predicate="image = 'p1'")
    assert table.append(rows(row("new")), table.version()) == 1
    assert compact_table(table) > 0
    values = {each["image"]: each["rating"] for each in DeltaTable(table.uri).to_pyarrow_table().to_pylist()}
    assert values == {f"p{n}": 5 if n == 1 else None for n in range(5)} | {"new": None}
