"""The table of reviews."""

import os
import shutil
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipeline.core.errors import Permanent
from pipeline.storage.tables.repair import Repaired, repair_people_table
from pipeline.storage.tables.reviews import CaptionReview, ReviewTable

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def table(tmp_path):
    return ReviewTable(tmp_path / "reviews")


def review(image="/a", days=0, **values):
    given = {"model_name": "captioner", "model_version": "3", "night": "n1", "decision": "accepted", "who": "ann"}
    return CaptionReview(image, reviewed_at=NOW + timedelta(days=days), **given | values)


def test_of_each_caption_the_newest_review_counts_unless_it_was_taken_back(table):
    assert table.read() == []
    edited = review(decision="edited", days=1, who="bob", distance=2, blind=True, audited=True)
    other = review(model_version="4", days=2)
    table.append([review(), edited, other, review("/b")])
    assert table.read() == [review("/b"), edited, other]
    table.append([replace(edited, decision="taken back", reviewed_at=NOW + timedelta(days=3))])
    assert table.read() == [review(), review("/b"), other]  # what another said of it counts again


def test_a_caption_of_another_night_is_another_caption(table):
    first, second = review(audited=True), review(night="n2", days=1)
    table.append([first, second])
    assert table.read() == [first, second]


def test_a_forgotten_image_leaves_nothing_in_the_table(table, tmp_path):
    table.append([review("/secret/ermintrude.png"), review("/b")])
    assert table.forget({"/secret/ermintrude.png"}) == 1
    assert table.read() == [review("/b")]
    files = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert files and not [file for file in files if b"ermintrude" in file.read_bytes()]


@pytest.mark.parametrize("share", [0, 0.5])
def test_every_file_cut_or_the_log_gone_is_told_and_repaired(table, tmp_path, share):
    for number in range(3):
        table.append([review(f"/{number}")])
    shutil.copytree(table.uri, tmp_path / "whole")
    paths = [path.relative_to(table.uri) for path in Path(table.uri).rglob("*") if path.is_file()]
    for path in (*sorted(paths), Path("_delta_log")):
        shutil.rmtree(table.uri)
        shutil.copytree(tmp_path / "whole", table.uri)
        cut = Path(table.uri) / path
        if cut.is_dir():
            shutil.rmtree(cut)
        else:
            os.truncate(cut, int(cut.stat().st_size * share))
        with suppress(Permanent):
            table.read()
        repair_people_table(table)
        assert len(table.read()) == 3 - (path.suffix == ".parquet")
        assert repair_people_table(table) == Repaired()
        table.append([review("/new")])
        assert review("/new") in table.read()
