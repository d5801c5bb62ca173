"""Tables whose files a power cut left empty or cut."""

import os
import shutil
from pathlib import Path
from unittest.mock import Mock

import pytest

from pipeline.core.errors import NightcapError, Permanent
from pipeline.storage.tables import CaptionTable
from pipeline.storage.tables.corrections import CorrectionTable
from pipeline.storage.tables.human_captions import add_human_captions, withdraw_human_captions
from pipeline.storage.tables.maintenance import compact_table, purge, sweep, vacuum_table
from pipeline.storage.tables.repair import Repaired, repair_corrections, repair_table
from tests.pipeline.storage.tables.correction_rows import correction
from tests.pipeline.storage.tables.table_rows import current, row, rows

NIGHTS = 11  # the tenth commit writes a checkpoint


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Some nights of an image each."""
    folder = tmp_path_factory.mktemp("whole")
    table = CaptionTable(folder / "captions")
    for n in range(NIGHTS):
        table.append(rows(row(f"p{n}", night=f"n{n}")), n)
        table.write_current()
    sweep(table)
    return folder


def cut(whole, folder, path, share):
    shutil.copytree(whole, folder)
    file = folder / path
    data = file.read_bytes()
    file.write_bytes(data[: int(len(data) * share)])
    return CaptionTable(folder / "captions")


def next_night(table):
    """As a night: it reads the table, publishes, and sweeps."""
    done = {image for batch in table.processed() for image in batch["image"].to_pylist()}
    images = [f"p{n}" for n in range(NIGHTS) if f"p{n}" not in done]
    table.append(rows(*(row(image, night="next") for image in [*images, "new"])), table.version())
    compact_table(table)
    sweep(table)
    return images


EVERY = {f"p{n}": f"an image of p{n}" for n in range(NIGHTS)} | {"new": "an image of new"}


@pytest.mark.parametrize("share", [0, 0.5])
def test_every_file_of_a_table_cut(whole, tmp_path, share):
    """The next night goes on with all rows, or says what to do, after which only rows that are nowhere are missing."""
    outcomes = {"went on": 0, "repaired": 0}
    paths = sorted(path.relative_to(whole) for path in whole.rglob("*") if path.is_file())
    for number, path in enumerate(paths):
        table = cut(whole, tmp_path / str(number), path, share)
        is_live = path.parent.name == "captions" and path.suffix == ".parquet"
        try:
            assert next_night(table) == []
            outcomes["went on"] += 1
        except NightcapError as error:
            assert isinstance(error, Permanent), path
            assert "nightcap tables repair" in str(error)
            done = repair_table(table)
            assert path.name in done.files
            assert (done.rows, done.found) == ((1, 0) if is_live else (0, int(path.name[:20]) > 0)), path
            assert len(next_night(table)) == is_live
            outcomes["repaired"] += 1
        assert current(table) == EVERY, path
    assert min(outcomes.values()) >= NIGHTS


def test_a_log_that_is_gone(whole, tmp_path):
    shutil.copytree(whole, tmp_path / "copy")
    table = CaptionTable(tmp_path / "copy" / "captions")
    shutil.rmtree(Path(table.uri) / "_delta_log")
    with pytest.raises(Permanent, match="nightcap tables repair"):
        table.version()
    assert repair_table(table).found == NIGHTS
    assert next_night(table) == []
    assert current(table) == EVERY


def test_a_repair_that_was_stopped_is_done_again(whole, tmp_path, monkeypatch):
    """Its first half leaves a table that looks whole, and is empty."""
    shutil.copytree(whole, tmp_path / "copy")
    table = CaptionTable(tmp_path / "copy" / "captions")
    corrections, captions = join_captions(tmp_path, "/a", "/b", "/gone")
    for each in (table, corrections):
        shutil.rmtree(Path(each.uri) / "_delta_log")
    with monkeypatch.context() as patched:
        patched.setattr(CaptionTable, "append", Mock(side_effect=KeyboardInterrupt))
        patched.setattr(CorrectionTable, "append_rows", Mock(side_effect=KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            repair_table(table)
        with pytest.raises(KeyboardInterrupt):
            repair_corrections(corrections, captions)
    assert repair_table(table).found == NIGHTS
    assert next_night(table) == []
    assert current(table) == EVERY
    assert repair_corrections(corrections, captions).found >= 2
    assert {each.image for each in corrections.read()} >= {"/a", "/b"}
    assert repair_corrections(corrections, captions) == Repaired()


def test_after_a_repair_a_forgotten_image_leaves_nothing(tmp_path):
    corrections, captions = join_captions(tmp_path, *(f"/in/zq{number}" for number in range(9)))
    shutil.rmtree(Path(corrections.uri) / "_delta_log")
    repair_corrections(corrections, captions)
    corrections.forget(["/in/zq7"])
    assert not [path for path in Path(corrections.uri).rglob("*") if path.is_file() and b"/in/zq7" in path.read_bytes()]


@pytest.mark.parametrize("share", [0, 0.5])
def test_a_checkpoint_cut_whose_commits_are_gone(whole, tmp_path, share):
    shutil.copytree(whole, tmp_path / "copy")
    table = CaptionTable(tmp_path / "copy" / "captions")
    compact_table(table)
    purge(table)
    (checkpoint,) = (Path(table.uri) / "_delta_log").glob("*.checkpoint.parquet")
    checkpoint.write_bytes(checkpoint.read_bytes()[: int(checkpoint.stat().st_size * share)])
    with pytest.raises(Permanent, match="nightcap tables repair"):
        table.version()
        list(table.processed())
    assert repair_table(table).found == NIGHTS
    assert next_night(table) == []
    assert current(table) == EVERY


def test_vacuum_mends_a_current_table(whole, tmp_path):
    for share in (0, 0.5):
        path = Path("captions_current/_delta_log") / f"{NIGHTS:020d}.json"
        table = cut(whole, tmp_path / str(share), path, share)
        vacuum_table(table)
        assert len(current(table)) == NIGHTS


def join_captions(folder, *images):
    """Corrections, the first of which have joined the captions; the last was taken back there."""
    corrections, captions = CorrectionTable(folder / "corrections"), CaptionTable(folder / "captions")
    for number, image in enumerate(images):
        corrections.append([correction(image, f"said of {image}", days=number)])
    add_human_captions(captions, corrections.read())
    withdraw_human_captions(captions, corrections.read()[-1:])
    corrections.take_back(lambda each: each.image == images[-1])
    return corrections, captions


@pytest.mark.parametrize("share", [0, 0.5])
def test_every_file_of_a_table_of_corrections_cut(tmp_path, share):
    """What its error says to do brings back what people said; nothing that was taken back."""
    join_captions(tmp_path / "whole", "/a", "/b", "/gone")
    said = CorrectionTable(tmp_path / "whole" / "corrections").read()
    assert [each.image for each in said] == ["/a", "/b"]
    repaired = 0
    for number, path in enumerate(sorted((tmp_path / "whole/corrections").rglob("*"))):
        if path.is_file() and path.stat().st_size:
            folder = shutil.copytree(tmp_path / "whole", tmp_path / str(number))
            file = folder / path.relative_to(tmp_path / "whole")
            os.truncate(file, int(file.stat().st_size * share))
            corrections, captions = CorrectionTable(folder / "corrections"), CaptionTable(folder / "captions")
            try:
                corrections.read()
            except Permanent as error:
                assert file.name in str(error)
                assert "nightcap tables repair" in str(error)
                assert file.name in repair_corrections(corrections, captions).files
                repaired += 1
            assert {each.image for each in corrections.read()} - {"/gone"} == {"/a", "/b"}
            corrections.append([correction("/c")])
            assert repair_corrections(corrections, captions) == Repaired()
            assert corrections.compact() >= 0
            assert [each for each in corrections.read() if each in said] == said
    assert repaired > 1


def test_a_log_of_corrections_that_is_gone(tmp_path):
    corrections, captions = join_captions(tmp_path, "/a", "/b", "/gone")
    shutil.rmtree(Path(corrections.uri) / "_delta_log")
    with pytest.raises(Permanent, match="nightcap tables repair"):
        corrections.read()
    assert repair_corrections(corrections, captions).found >= 2
    assert {each.image for each in corrections.read()} >= {"/a", "/b"}
