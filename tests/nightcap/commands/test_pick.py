"""`nightcap pick`."""

import csv
import json

import pytest

from pipeline.data.sources.scenes.dataset import draw_inbox
from pipeline.storage.tables.corrections import CorrectionTable
from serving.active_learning import UNSEEN


@pytest.mark.usefixtures("trained")
def test_the_list_is_one_that_a_person_then_corrects(run, tmp_path, monkeypatch):
    """On the champion of scenes: from the list in a file to corrections, which are not proposed again."""
    folder, corrections = tmp_path / "scenes", tmp_path / "corrections"
    images = {str(path) for path in draw_inbox(folder, 12, seed=3)}
    common = ["pick", "--input", folder, "--table", tmp_path / "t", "--corrections", corrections]
    assert run(*common, "--n", "5", "--output", tmp_path / "list.csv").code == 0
    with (tmp_path / "list.csv").open(encoding="utf-8-sig", newline="") as file:
        listed = list(csv.DictReader(file))
    assert len(listed) == 5
    assert {line["image"] for line in listed} < images
    assert {(line["caption"], line["reason"]) for line in listed} == {("", UNSEEN)}
    with (tmp_path / "done.csv").open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.DictWriter(file, listed[0])
        writer.writeheader()
        writer.writerows(line | {"caption": "a red circle"} for line in listed)
    monkeypatch.setenv("NIGHTCAP_ROOTS", str(tmp_path))
    assert run("correct", tmp_path / "done.csv", "--table", corrections).code == 0
    assert len(CorrectionTable(corrections).read()) == 5
    rest = [json.loads(line) for line in run(*common, "--n", "50").out.splitlines()]
    assert run("pick", "--table", tmp_path / "t").refused(2, "there is no table of captions at --table")
    assert {line["image"] for line in rest} == images - {line["image"] for line in listed}
    assert all(line["said"] and line["confidence"] > 0 for line in rest)


@pytest.mark.parametrize("options", [("--n", "0"), ("--n", "five"), ("--pool", "0")])
def test_a_wrong_number_is_one_line(run, options):
    assert run("pick", *options).refused(2, options[0])
