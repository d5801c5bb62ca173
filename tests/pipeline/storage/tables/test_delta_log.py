"""The log of a Delta table."""

from pathlib import Path

import pytest
from deltalake import DeltaTable

from pipeline.core.errors import SettingsError
from pipeline.storage import files
from pipeline.storage.files import sync_folder
from pipeline.storage.tables import SCHEMA, CaptionTable
from pipeline.storage.tables.delta_log import checkpoint, opened, write_commit
from tests.pipeline.storage.tables.table_rows import row, rows


def test_a_commit_is_on_the_disk_before_it_has_its_name(tmp_path, monkeypatch):
    table, order = CaptionTable(tmp_path / "captions"), []
    table.append(rows(row("a")), 0)
    link, fsync = Path.hardlink_to, files.sync_folder
    monkeypatch.setattr("pipeline.storage.files.os.fsync", lambda number: order.append("synced"))
    monkeypatch.setattr(Path, "hardlink_to", lambda path, other: (order.append(path.suffix), link(path, other)))
    monkeypatch.setattr(files, "sync_folder", lambda folder: (order.append(Path(folder).name), fsync(folder)))
    table.append(rows(row("b")), 1)
    named = order.index(".json")
    assert order[named - 1] == "synced"
    assert "_delta_log" in order[named:]
    assert fsync is sync_folder


def test_a_log_whose_commits_go_while_it_is_read_is_read_again(tmp_path, monkeypatch):
    """As whoever compacts or purges removes them, once a checkpoint stands for them."""
    table, stat = CaptionTable(tmp_path / "captions"), Path.stat
    for number, name in enumerate("abc"):
        table.append(rows(row(name)), number)
    checkpoint(DeltaTable(table.uri))
    old = sorted(Path(table.uri).glob("_delta_log/*.json"))[:-1]

    def meanwhile(path, **options):
        if path == old[0]:
            for each in old:
                each.unlink(missing_ok=True)
        return stat(path, **options)

    monkeypatch.setattr(Path, "stat", meanwhile)
    assert sorted(table.images()) == ["a", "b", "c"]
    assert not any(each.exists() for each in old)


def test_two_commits_of_one_version(tmp_path):
    table = CaptionTable(tmp_path / "captions")
    table.append(rows(row("a")), 0)
    seen = opened(table.uri)
    assert write_commit(seen, (), (), {"nightcap": 2})
    assert not write_commit(seen, (), (), {"nightcap": 2})
    assert table.version() == 2
    assert DeltaTable(table.uri).to_pyarrow_table().num_rows == 1


def test_a_table_with_partitions_is_refused(tmp_path):
    table = CaptionTable(tmp_path / "captions")
    DeltaTable.create(table.uri, SCHEMA, partition_by=["night"])
    with pytest.raises(SettingsError, match="partitions or features"):
        table.append(rows(row("a")), 0)
