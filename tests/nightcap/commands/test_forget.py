"""`nightcap forget`; what it removes is shown by tests/nightcap/forgetting."""

import pytest

from nightcap.commands.forget import describe_exposure
from pipeline.registry.lineage import Exposed
from pipeline.registry.versions import Version


@pytest.mark.parametrize(
    ("data", "words"), [(b"\n \n", ("names no image", "one a line")), (b"caf\x81.jpg\n", ("no UTF-8",))]
)
def test_a_file_that_cannot_be_used_is_one_line(run, tmp_path, data, words):
    (tmp_path / "list.txt").write_bytes(data)
    assert run("forget", "--images", tmp_path / "list.txt").refused(2, "--images", "list.txt", *words)


def test_an_image_that_nothing_holds_is_told(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "list.txt").write_text("unknown.jpg\n\ns3://bucket/unknown.jpg\n")
    for _ in range(2):
        done = run("forget", "--images", "list.txt")
        assert done.code == 3
        assert done.err.startswith("2 images: 0 rows, 0 nights and 0 other files are without them\n")
        assert "nothing knows" in done.out and "'unknown.jpg'" in done.out and "'s3://bucket/unknown.jpg'" in done.out


def test_backups_are_named(run, tmp_path):
    (tmp_path / "list.txt").write_text("/unknown.jpg")
    (tmp_path / "backups" / "2026-11-24T020000Z").mkdir(parents=True)
    (tmp_path / "backups" / ".partial").mkdir()
    done = run("forget", "--images", tmp_path / "list.txt", "--backups", tmp_path / "backups")
    assert "has the backups 2026-11-24T020000Z; they may hold the images" in done.err


@pytest.mark.parametrize("data", ["{}", '["a", 3]', '["a"', '""', "[]"])
def test_json_that_holds_no_names_is_one_line(run, tmp_path, data):
    (tmp_path / "list.json").write_text(data)
    assert run("forget", "--images", tmp_path / "list.json", "--json").refused(2, "list.json")


def test_a_version_that_was_evaluated_on_it_may_hold_it():
    version = Version("captioner", "3", "", (), {}, 0)
    told = describe_exposure(Exposed(version, frozenset({"val", "test"})))
    assert "was chosen with and was evaluated on" in told
    assert told.endswith(
        "may hold the image itself, in golden/, until `nightcap gc --versions --yes` removes its files"
    )
