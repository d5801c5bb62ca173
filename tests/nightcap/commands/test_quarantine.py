"""`nightcap quarantine`."""

import json
import os
from pathlib import Path

import pandas as pd
import pytest

from pipeline.core.environment import Home
from pipeline.storage.tables import CaptionTable
from tests.pipeline.storage.tables.table_rows import quarantined, row, rows

ROWS = [{"image": "a.jpg", "reason": "truncated"}, {"image": "b.jpg", "reason": "same_image"}]


@pytest.fixture
def store():
    return Path(os.environ["NIGHTCAP_HOME"]) / "store"


def validation(folder, age_days):
    folder.mkdir(parents=True)
    pd.DataFrame(ROWS).to_parquet(folder / "quarantine.parquet")
    os.utime(folder, (0, 86_400 * age_days))
    return folder


def listed(done):
    return [json.loads(line) for line in done.out.splitlines()]


@pytest.mark.parametrize(("newer", "outcome"), [("stages/validate", "accepted"), ("rejected", "rejected")])
def test_the_newest_training_is_listed_with_its_outcome(run, store, newer, outcome):
    for place in ("rejected", "stages/validate"):
        validation(store / place / "0a1b", age_days=place == newer)
    done = run("quarantine")
    assert done.err == (
        f"of the training data validated 1970-01-02 00:00 UTC and {outcome}: {store / newer / '0a1b'}\n"
    )
    assert listed(done) == ROWS
    assert listed(run("quarantine", "--reason", "same_image")) == ROWS[1:]


def test_a_training_may_be_named_and_the_list_written_to_a_file(run, store, tmp_path):
    older = validation(store / "rejected" / "0a", age_days=1)
    validation(store / "rejected" / "1b", age_days=2)
    done = run("quarantine", "--training", older, "--output", tmp_path / "list.jsonl")
    assert str(older) in done.err
    assert [json.loads(line) for line in (tmp_path / "list.jsonl").read_text().splitlines()] == ROWS


def test_a_night_is_listed_alone(run, tmp_path):
    table = CaptionTable(Home.from_environment().captions)
    values = [
        quarantined("/in/bad.jpg", "truncated"),
        quarantined("/in/other.jpg", "empty", night="n2"),
        row("/in/1.jpg"),
    ]
    table.append(rows(*values), 0)
    [line] = listed(run("quarantine", "--night", "n1"))
    assert (line["image"], line["reason"], line["night"]) == ("/in/bad.jpg", "truncated", "n1")
    assert listed(run("quarantine", "--night", "n1", "--reason", "empty")) == []
    assert run("quarantine", "--night", "night1").refused(2, "knows no night 'night1'; name one of its 2 nights")
    assert run("quarantine", "--night", "n1", "--reason", "truncate").refused(2, "(perhaps 'truncated')")
    kept = tmp_path / "kept.jsonl"
    kept.write_text("kept")
    run("quarantine", "--night", "n1", "--reason", "truncate", "--output", kept).refused(2, "(perhaps 'truncated')")
    assert kept.read_text() == "kept"


def test_without_a_training_one_line_names_the_folder(run, store):
    assert run("quarantine").refused(2, str(store / "stages/validate"), "nightcap train", "--training")
