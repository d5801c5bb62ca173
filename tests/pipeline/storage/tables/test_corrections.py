"""The table of corrections."""

import os
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from pipeline.core.environment import Home
from pipeline.core.errors import SettingsError
from pipeline.storage.tables.corrections import Correction, CorrectionTable
from tests.pipeline.storage.tables.correction_rows import correction


@pytest.fixture
def home(tmp_path):
    return Home(tmp_path, tmp_path / "store", "")


@pytest.fixture
def table(home):
    return CorrectionTable(home.store / "corrections")


def test_of_each_person_the_newest_caption_of_an_image_counts(table):
    assert table.read() == []
    assert table.append([]) == 0
    assert table.append([correction("/a", "first"), correction("/a", "second", days=1), correction("/b")]) == 3
    table.append([correction("/a", "bob's", who="bob"), correction("/a", "an older one", days=-1)])
    assert [(each.image, each.who, each.caption) for each in table.read()] == [
        ("/a", "ann", "second"),
        ("/a", "bob", "bob's"),
        ("/b", "ann", "what a person says"),
    ]


def test_a_forgotten_image_leaves_nothing_in_the_table(table, home):
    table.append([correction("/secret/ermintrude.png"), correction("/b")])
    assert table.forget({"/secret/ermintrude.png"}) == 1
    assert table.forget({"/secret/ermintrude.png"}) == 0
    assert [each.image for each in table.read()] == ["/b"]
    files = [file for file in (home.store / "corrections").rglob("*") if file.is_file()]
    assert not [file for file in files if b"ermintrude" in file.read_bytes()]
    assert len(DeltaTable(table.uri).file_uris()) == 1


def test_a_correction_given_while_another_image_is_forgotten_stays(table, monkeypatch):
    table.append([correction("/secret"), correction("/b")])
    read = DeltaTable.to_pyarrow_table

    def overtaken(self):
        rows = read(self)
        monkeypatch.undo()
        table.append([correction("/c")])
        return rows

    monkeypatch.setattr(DeltaTable, "to_pyarrow_table", overtaken)
    assert table.forget({"/secret"}) >= 1
    assert [each.image for each in table.read()] == ["/b", "/c"]


def test_forgetting_that_was_killed_after_its_commit_is_ended_by_the_next(table, home, monkeypatch):
    def killed(*_, **__):
        raise KeyboardInterrupt

    table.append([correction("/secret/ermintrude.png"), correction("/b")])
    monkeypatch.setattr(DeltaTable, "vacuum", killed)
    with pytest.raises(KeyboardInterrupt):
        table.forget({"/secret/ermintrude.png"})
    monkeypatch.undo()
    table.forget({"/secret/ermintrude.png"})
    files = [file for file in (home.store / "corrections").rglob("*") if file.is_file()]
    assert not [file for file in files if b"ermintrude" in file.read_bytes()]


def test_what_is_taken_back_gives_way_to_what_its_person_said_before(table):
    table.append([correction("/a", "first"), correction("/a", "second", days=1), correction("/a", who="bob")])
    assert [each.caption for each in table.take_back(lambda each: each.who == "ann")] == ["second"]
    assert [(each.who, each.caption) for each in table.read()] == [("ann", "first"), ("bob", "what a person says")]
    assert table.take_back(lambda each: each.image == "/b") == []


def test_what_others_add_meanwhile_stays(table):
    table.append([correction("/a"), correction("/b")])

    def adding(each):
        if len(table.read()) == 2:
            table.append([correction("/c")])
        return each.image == "/a"

    assert len(table.take_back(adding)) == 1
    assert [each.image for each in table.read()] == ["/b", "/c"]


def test_a_row_that_is_no_correction_hides_no_other(table, caplog):
    table.append([correction("/a"), correction("/b")])
    rows = DeltaTable(table.uri).to_pyarrow_table().to_pylist()
    write_deltalake(table.uri, pa.Table.from_pylist([rows[0] | {"caption": ""}, rows[1]]), mode="overwrite")
    assert len(table.read()) == 1
    assert "is left out: caption of a correction has 0 characters" in caplog.text


@pytest.mark.parametrize(
    "wrong", [{"image": ""}, {"caption": "  "}, {"who": "x" * 3000}, {"corrected_at": datetime(2026, 1, 1)}]
)
def test_an_empty_correction_is_refused(wrong):
    with pytest.raises(SettingsError, match="correct"):
        Correction(**(vars(correction("/a")) | wrong))


def test_22_13_a_correction_is_safe_on_the_disk_before_it_counts(table, monkeypatch):
    """Its rows, then its commit, are forced to the disk; the commit under the name of its scratch file."""
    table.append([correction("/in/a.jpg")])
    synced, force = [], os.fsync

    def noting(descriptor):
        synced.append(Path(f"/proc/self/fd/{descriptor}").readlink().name)
        force(descriptor)

    monkeypatch.setattr(os, "fsync", noting)
    table.append([correction("/in/b.jpg")])
    rows, commit = (next(n for n, name in enumerate(synced) if part in name) for part in ("part-", ".json"))
    assert rows < commit
    assert {path.name for path in Path(table.uri).glob("*.parquet")} >= {synced[rows]}
    assert len(table.read()) == 2


def test_22_13_a_checkpoint_of_corrections_that_was_cut_is_made_up_for(table):
    for number in range(11):
        table.append([correction(f"/in/{number}.jpg")])
    checkpoint = next(Path(table.uri).glob("_delta_log/*.checkpoint.parquet"))
    os.truncate(checkpoint, 0)
    assert len(table.read()) == 11
    table.append([correction("/in/a.jpg")])
    assert len(table.read()) == 12
    assert table.compact() == 11
    assert len(table.read()) == 12
