"""What a replay sends through once more."""

import pytest

from pipeline.storage.tables import CaptionTable
from pipeline.storage.tables.replay import Replay
from tests.pipeline.storage.tables.table_rows import keys, later, quarantined, row, rows


@pytest.fixture
def table(tmp_path):
    table = CaptionTable(tmp_path / "captions")
    table.append(
        rows(
            row("fine"),
            quarantined("cut", "truncated"),
            quarantined("bare", "empty"),
            quarantined("mended", "truncated"),
            quarantined("worse", "truncated"),
        ),
        0,
    )
    table.append(
        rows(
            row("mended", **later(night="n2", model_version="2")), quarantined("worse", "corrupt", **later(night="n2"))
        ),
        1,
    )
    return table


@pytest.mark.parametrize(
    ("replay", "taken"),
    [
        (Replay(frozenset({"truncated"})), "cut"),
        (Replay(frozenset({"corrupt"})), "worse"),
        (Replay(frozenset({"truncated", "corrupt", "empty"})), "cut worse bare"),
        (Replay(), "cut worse bare"),
        (Replay(images=frozenset({"bare", "fine"})), "bare"),
        (Replay(frozenset({"truncated"}), night="n2"), ""),
        (Replay(night="n1", model=("captioner", "1")), "cut bare worse mended"),
        (Replay(night="n1", model=("captioner", "2")), "fine cut bare worse"),
        (Replay(night="n1", model=("captioner", "3"), images=frozenset({"fine"})), "fine"),
        (Replay(night="n9", model=("captioner", "3")), ""),
    ],
)
def test_replayed_images(table, replay, taken):
    assert {image for image, _ in keys(table.replayed(replay))} == set(taken.split())


def test_no_table(tmp_path):
    assert list(CaptionTable(tmp_path / "none").replayed(Replay())) == []


def test_a_quarantine_of_a_night_with_a_clock_ahead_is_settled_by_a_later_caption(tmp_path):
    table = CaptionTable(tmp_path / "captions")
    table.append(rows(quarantined("cut", "truncated", **later(400))), 0)
    table.append(rows(row("cut", **later(1, night="n2"))), 1)
    assert keys(table.replayed(Replay(frozenset({"truncated"})))) == set()
