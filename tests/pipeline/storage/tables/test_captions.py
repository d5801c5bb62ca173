"""The Delta tables of captions, on real tables."""

import pytest

from pipeline.core.errors import ObjectUnavailable, SettingsError
from pipeline.storage.tables import HUMAN, IMAGE, SCHEMA, CaptionTable
from tests.pipeline.storage.tables.table_rows import images, keys, quarantined, row, rows


def test_a_table_that_is_not_there_is_empty(tmp_path):
    table = CaptionTable(tmp_path / "captions")
    assert (table.version(), list(table.processed()), table.run_of("n1")) == (0, [], None)
    table.write_current()
    assert list(tmp_path.iterdir()) == []


def test_a_table_is_there_also_once_its_rows_are_gone(tmp_path):
    table = CaptionTable(tmp_path / "table")
    assert (table.is_there(), table.size()) == (False, 0)
    (tmp_path / "table").mkdir()  # a mount point
    assert not table.is_there()
    table.append(rows(row("a"), row("b")), 0)
    assert (table.is_there(), table.size()) == (True, 2)
    table.rewrite(lambda batch: batch[:0])
    assert (table.is_there(), table.size()) == (True, 0)


def test_appended_rows_are_read_back(tmp_path):
    table = CaptionTable(tmp_path / "captions")
    full = row("a", sha256="0" * 64, alternatives=["x", "y"], engine="e", width=3, height=2, flags=["blurred"])
    assert table.append(rows(full, row("b", run="r2")), 0) == 2
    assert table.version() == 1
    assert table.rows("n1", "r1").to_pylist() == [dict.fromkeys(SCHEMA.names) | full | {"sequence": 1}]
    assert table.run_of("n1") in {"r1", "r2"}
    assert table.run_of("n2") is None


def test_processed_leaves_out_reasons_that_may_pass(tmp_path):
    table = CaptionTable(tmp_path / "captions")
    table.append(rows(row("a"), quarantined("b", "empty"), quarantined("c", "source_changed")), 0)
    assert keys(table.processed()) == {("a", "e1"), ("b", "e1")}


@pytest.mark.parametrize(
    ("policy", "processed"),
    [
        ("new", "older ours newer other broken human"),
        ("older_version", "ours newer broken human"),
        ("everything", "ours"),
    ],
)
def test_images_that_a_policy_counts_as_processed(tmp_path, policy, processed):
    table = CaptionTable(tmp_path / "captions")
    table.append(
        rows(
            row("older", model_version="9"),
            row("ours", model_version="10"),
            row("newer", model_version="11"),
            row("other", model_name="foreign", model_version="10"),
            row("withdrawn", model_version="10", withdrawn=True),
            quarantined("broken", "corrupt", model_version="9"),
            quarantined("changed", "source_changed", model_version="10"),
            row("human", source=HUMAN, model_name=None, model_version=None),
        ),
        0,
    )
    assert {image for image, _ in keys(table.processed(policy, ("captioner", "10")))} == set(processed.split())


def test_appending_again_adds_nothing(tmp_path):
    table = CaptionTable(tmp_path / "captions")
    assert table.append(rows(row("a"), row("b")), 0) == 2
    assert table.append(rows(row("a"), row("b")), 0) == 0
    assert table.version() == 1


def test_a_newer_sequence_drops_only_committed_rows(tmp_path):
    table = CaptionTable(tmp_path / "captions")
    table.append(rows(row("a"), row("b")), 0)
    later = rows(row("a"), row("a", etag="e2"), row("b", model_version="2"), row("c"))
    assert table.append(later, 0) == 3
    assert images(table) == ["a", "a", "b", "b", "c"]
    assert table.version() == 2


def test_a_row_committed_since_drops_only_rows_that_are_no_better(tmp_path):
    table = CaptionTable(tmp_path / "captions")
    table.append(rows(row("a"), quarantined("b", "source_changed"), row("c", withdrawn=True), quarantined("d", "x")), 0)
    newer = {"model_version": "2"}
    later = rows(
        row("a", **newer), row("b", **newer), row("c", **newer), row("d", **newer),
        *(quarantined(image, "source_changed", **newer) for image in "abcde"),
    )  # fmt: skip
    assert table.append(later, 0, IMAGE) == 3
    assert images(table) == ["a", "b", "b", "c", "c", "d", "e"]


def test_addresses_and_disks(tmp_path):
    with pytest.raises(SettingsError, match="is no local path"):
        CaptionTable("s3://bucket/captions")
    with pytest.raises(SettingsError, match=r"table '/data/50%25' has '%'.*rename its folder, or name another"):
        CaptionTable("/data/50%25")
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ObjectUnavailable, match="file/captions"):
        CaptionTable(tmp_path / "file/captions").append(rows(row("a")), 0)
