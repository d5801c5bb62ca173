"""What a report tells of a run's rows, read a batch at a time."""

import pyarrow as pa
import pytest

from benchmarks.table_scale import home_in, make_plan
from benchmarks.trace_scale import fill
from pipeline.storage.files import sha256
from pipeline.storage.forgotten import Forgotten, remember_to_forget
from pipeline.storage.tables import CaptionTable
from serving.reporting import published_rows
from serving.reporting.published_rows import PublishedRows
from tests.pipeline.storage.tables.table_rows import row, rows

ONE = {"night": "night-000", "run": "manual__night-000"}
CAPTIONS = ["a cat", "a dog", "a cow", "a dog", "a cat", "a pig"]


def published(folder, *given):
    home = home_in(folder)
    table = CaptionTable(home.captions)
    if given:
        table.append(rows(*given), 0)
    return PublishedRows(make_plan(home, 0, range(len(given))), table, Forgotten.of(home.store))


def captioned(number, caption, **others):
    return row(f"/in/{number}.jpg", caption=caption, **{"sha256": sha256(str(number).encode())} | ONE | others)


@pytest.mark.parametrize("pass_captions", [1, 2, 100])
def test_captions_are_counted_in_passes(tmp_path, monkeypatch, pass_captions):
    monkeypatch.setattr(published_rows, "_PASS_CAPTIONS", pass_captions)
    found = published(tmp_path, *(captioned(*each) for each in enumerate(CAPTIONS)))
    assert found.frequencies == (4, "a dog")  # as often as a cat; the last by name is shown


def test_captions_that_all_differ_have_no_most_frequent_one(tmp_path):
    assert published(tmp_path, captioned(0, "a cat"), captioned(1, "a dog")).frequencies == (2, None)


def test_a_run_without_rows(tmp_path):
    found = published(tmp_path)
    assert found.frequencies == (0, None)
    figures = found.figures
    assert (figures.captioned, figures.quarantined, figures.mean_score, figures.unsure) == (0, 0, None, 0.0)
    assert (figures.sample, figures.listed, figures.greatest_confidence) == ([], [], None)


def test_figures(tmp_path):
    scores = {0: -1.0, 1: None, 2: -2.0}
    given = [captioned(number, "a cat", score=score, confidence=0.1 * number) for number, score in scores.items()]
    bad = row("/in/bad.jpg", status="quarantined", reason="empty", caption=None, score=None, **ONE)
    figures = published(tmp_path, *given, bad, captioned(9, "of another night", night="night-001")).figures
    assert (figures.captioned, figures.quarantined, figures.mean_score) == (3, 1, -1.5)
    assert [each["reason"] for each in figures.listed] == ["empty"]
    assert figures.greatest_confidence == pytest.approx(0.2)


def test_the_sample_has_the_least_hashes_in_the_nights_order(tmp_path):
    found = published(tmp_path, *(captioned(number, f"number {number}") for number in range(500)))
    hashes = sorted(range(500), key=lambda number: sha256(str(number).encode()))[:60]
    assert [each["caption"] for each in found.figures.sample] == [f"number {number}" for number in sorted(hashes)]


def test_few_rows_are_in_memory(tmp_path):
    home = home_in(tmp_path)
    table = CaptionTable(home.captions)
    fill(table, 160_000, 1)
    found = PublishedRows(make_plan(home, 0, range(1)), table, Forgotten.of(home.store))
    pool = pa.default_memory_pool()
    counted = pa.proxy_memory_pool(pool)
    pa.set_memory_pool(counted)
    try:
        assert found.figures.captioned == found.frequencies[0] == 160_000
    finally:
        pa.set_memory_pool(pool)
    assert counted.max_memory() < 0.8 * table.rows(**ONE).nbytes


def test_forgotten_images_are_not_counted(tmp_path):
    found = published(tmp_path, *(captioned(*each) for each in enumerate(CAPTIONS)))
    remember_to_forget(home_in(tmp_path).store, ["/in/1.jpg"])
    left = PublishedRows(found.plan, found.table, Forgotten.of(found.plan.store))
    assert (left.figures.captioned, left.frequencies) == (5, (4, "a cat"))
    assert "/in/1.jpg" not in {each["image"] for each in left.figures.sample}
