"""`nightcap correct`."""

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipeline.core.spreadsheet import BOM, csv_line
from pipeline.storage.tables.corrections import CorrectionTable


@pytest.fixture
def table():
    return CorrectionTable(Path(os.environ["NIGHTCAP_HOME"]) / "store" / "corrections")


def test_lines_of_a_file_are_added(run, table, tmp_path):
    file = tmp_path / "corrections.csv"
    file.write_text(
        "image,caption,who,when\n/in/a.png,a red dog,bob,2026-01-01T00:00:00+00:00\ns3://bucket/c.png,a cat,,\n"
    )
    done = run("correct", file, "--who", "ann")
    assert (done.code, done.out) == (0, f"2 corrections in {table.uri}\n")
    first, second = table.read()
    assert (first.image, first.caption, first.who) == ("/in/a.png", "a red dog", "bob")
    assert first.corrected_at == datetime(2026, 1, 1, tzinfo=UTC)
    assert (second.image, second.who) == ("s3://bucket/c.png", "ann")
    file.write_text("image,caption\n/in/a.png,\n")
    assert run("correct", file).refused(2, "corrections.csv:2: caption of a correction has 0 characters")


@pytest.mark.parametrize(
    ("columns", "line"),
    [
        ("image,caption", "/in/b.png,a dog, running"),
        ("image,caption,who", "/in/b.png,a dog, running,ann"),
        ("image,caption", "/in/b.png"),
    ],
)
def test_a_line_with_a_field_too_many_or_too_few_is_named_and_nothing_is_added(run, table, tmp_path, columns, line):
    file = tmp_path / "corrections.csv"
    file.write_text(f'{columns}\n\n/in/a.png,"a red dog,\nrunning"{",ann" * columns.count("who")}\n{line}\n')
    fields, names = line.count(",") + 1, columns.count(",") + 1
    assert run("correct", file).refused(
        2,
        f"corrections.csv:5: {fields} fields, where the first line names {names}",
        "put captions with commas in quotation marks",
    )
    assert table.read() == []


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (None, ("No such file",)),
        (b"image\n/in/a.png\n", ("lacks the columns caption",)),
        (b"image,caption\n/in/a.png,\xff\n", ("cannot read", "UTF-8")),
        (b"image,caption,when\n/in/a.png,a dog,yesterday\n", ("corrections.csv:2", "yesterday")),
    ],
)
def test_a_file_that_cannot_be_used_is_one_line(run, tmp_path, data, words):
    if data:
        (tmp_path / "corrections.csv").write_bytes(data)
    assert run("correct", tmp_path / "corrections.csv").refused(2, "corrections.csv", *words)


def test_a_cell_that_a_list_of_ours_made_harmless_is_read_as_it_was(run, table, tmp_path):
    file = tmp_path / "list.csv"
    file.write_text(BOM + csv_line(["image", "caption"]) + csv_line(["/in/a;=b.png", "a dog"]), encoding="utf-8")
    assert run("correct", file).code == 0
    (correction,) = table.read()
    assert correction.image == "/in/a;=b.png"
