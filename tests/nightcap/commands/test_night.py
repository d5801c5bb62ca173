"""`nightcap night`."""

from pathlib import Path

import pytest
from deltalake import DeltaTable

from pipeline.core.environment import Home
from pipeline.registry.loading import pin


def table(inbox):
    return DeltaTable(str(inbox.parent / "store" / "captions"))


def test_a_night_publishes_once_and_the_next_has_nothing_to_do(run, inbox):
    first = run("night", "--input", inbox, "--night", "one", "--strict")
    assert first.code == 3
    gallery = Path(first.out.rstrip("\n"))
    assert gallery == inbox.parent / "store" / "nights" / "one" / "manual__one" / "gallery" / "index.html"
    assert "a.jpg" in gallery.read_text()
    assert "night one: 2 captioned, 1 quarantined (1 " in first.err
    assert "by captioner version 1" in first.err
    rows = table(inbox).to_pyarrow_table().to_pylist()
    assert {Path(row["image"]).name: row["status"] for row in rows} == {
        "a.jpg": "captioned",
        "b.jpg": "captioned",
        "broken.jpg": "quarantined",
    }

    again = run("night", "--input", inbox, "--strict")
    assert again.code == 0
    assert "0 captioned, 0 quarantined, 3 unchanged, 1 ignored (1 other_type), 0 left for later" in again.err
    assert Path(again.out.rstrip("\n")).is_file()

    resumed = run("night", "--input", inbox, "--night", "one")
    assert (resumed.code, resumed.out) == (0, first.out)
    assert ["already published" in done.err for done in (first, again, resumed)] == [False, False, True]
    assert table(inbox).to_pyarrow_table().num_rows == 3


def test_a_budget_leaves_the_rest_for_later(run, inbox):
    done = run("night", "--input", inbox, "--max-images", "1")
    assert "1 captioned, 0 quarantined" in done.err or "0 captioned, 1 quarantined" in done.err
    assert "2 left for later" in done.err


def test_a_file_and_assignments_set_what_has_no_option(run, inbox, tmp_path):
    file = tmp_path / "night.yaml"
    file.write_text("{input: inbox, output: texts, gallery_size: 0, write_csv: true}")
    done = run("night", "--config", file, "--set", "min_side=4096", "--set", "unusable=record")
    assert done.code == 0
    assert "0 captioned, 3 quarantined" in done.err
    assert "2 too_small" in done.err
    assert list((tmp_path / "texts").rglob("*.csv"))

    again = run("replay", "--reason", "too_small", "--config", file)
    assert "2 captioned, 0 quarantined" in again.err


def test_a_held_night_is_published_by_either_name(run, inbox):
    held = ("--set", "quarantine_floor=1", "--set", "max_quarantine_share=0.1")
    assert run("night", "--input", inbox, "--night", "one", *held).refused(1, "one", "accept")
    assert run("night", "--set", "held_night=none").refused(2, "no night 'none' is held back")
    done = run("night", "--set", "held_night=one", "--accept-quarantine")
    assert "night one: 2 captioned, 1 quarantined" in done.err


def test_a_bundle_may_caption_a_night(run, inbox, tiny_run, tmp_path):
    bundle = tiny_run.output("bundle").path / "bundle"
    done = run("night", "--input", inbox, "--model", bundle, "--table", tmp_path / "mine")
    assert done.code == 0
    assert "origin not verified" in done.err
    digests = {row["model_version"] for row in DeltaTable(str(tmp_path / "mine")).to_pyarrow_table().to_pylist()}
    assert digests == {pin(Home.from_environment(), str(bundle)).version}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--input", "gone"), ("gone", "no folder")),
        (("--input", "s3://bucket/new"), ("s3://",)),
        (("--night", "../up"), ("../up",)),
        (("--model", "models:/captioner@best"), ("captioner@best",)),
    ],
)
def test_mistakes_are_one_line(run, inbox, options, words):
    assert run("night", *options).refused(2, *words)
