"""Nights that list only the last days."""

import os
from datetime import date, datetime

import pytest

from pipeline.core.errors import ObjectUnavailable
from pipeline.storage.files import read_json, write_json
from pipeline.storage.tables import CaptionTable
from pipeline.storage.tables.withdraw import withdraw
from serving.planning.cursor import Cursor
from tests.serving.night_world import image


def put(world, day, name="a.jpg"):
    path = world.put(f"{day.replace('-', '/')}/{name}", image("red"))
    moment = datetime.fromisoformat(f"{day}T12:00:00+00:00").timestamp()
    os.utime(path, (moment, moment))


def night(world, day, number, **settings):
    world.now = datetime.fromisoformat(f"{day}T23:00:00+00:00")
    return world.night(f"n{number}", layout="%Y/%m/%d", **settings).counts


def test_a_night_lists_only_what_may_be_new(world):
    for day in ("2026-03-01", "2026-03-08", "2026-03-09"):
        put(world, day)
    assert night(world, "2026-03-10", 1).listed == 3
    put(world, "2026-03-10")
    again = night(world, "2026-03-10", 2)
    assert (again.listed, again.unchanged, again.planned) == (4, 3, 1), (
        "the first day of what was new is looked at again"
    )
    assert night(world, "2026-03-20", 3).listed == 3, "from the 8th, for what comes late"
    assert night(world, "2026-03-21", 4).listed == 0


def test_what_waits_is_never_lost(world):
    for day in ("2026-03-01", "2026-03-05", "2026-03-09"):
        put(world, day)
    backlogs = [night(world, "2026-03-10", number, max_images=1, late_days=0).backlog for number in range(1, 5)]
    assert backlogs == [2, 1, 0, 0]
    assert len(world.rows()) == 3


def test_what_comes_late_is_found(world):
    put(world, "2026-03-09")
    night(world, "2026-03-10", 1)
    put(world, "2026-03-08", "late.jpg")
    assert night(world, "2026-03-11", 2).planned == 1


def test_a_name_without_a_day_makes_the_next_night_list_everything(world):
    put(world, "2026-03-01")
    night(world, "2026-03-10", 1)
    put(world, "2026-03-10")
    night(world, "2026-03-10", 2)
    world.home.captions.rename(world.home.root / "lost")
    assert night(world, "2026-03-20", 3, accept_empty=True).listed == 2, "another table"
    put(world, "2026-03-20", "x.jpg")
    world.put("loose.jpg", image("blue"))
    os.utime(world.home.inbox / "loose.jpg", (1_700_000_000, 1_700_000_000))
    for folder in (world.home.store / "cursors").iterdir():
        folder.unlink()
    assert night(world, "2026-03-21", 4).planned == 2
    assert not list((world.home.store / "cursors").iterdir())


def test_what_is_withdrawn_is_found_however_old(world):
    """An image of long ago is without a caption again, and one more listing of everything finds it."""
    put(world, "2026-01-01")
    days = ("2026-01-02", "2026-03-09", "2026-03-10")
    assert [night(world, day, number).listed for number, day in enumerate(days)] == [1, 1, 0]
    assert withdraw(CaptionTable(world.home.captions), "captioner", "3") == 1
    put(world, "2026-03-11")
    found = night(world, "2026-03-11", 3)
    assert (found.listed, found.planned) == (2, 2)
    assert night(world, "2026-03-12", 4).listed == 2, "from the first day of what was new"
    assert night(world, "2026-03-20", 5).listed == 1


def test_what_is_withdrawn_while_a_night_is_planned_is_the_next_ones(world, monkeypatch):
    put(world, "2026-01-01")
    for number in range(2):
        night(world, "2026-03-10", number)
    table, read = CaptionTable(world.home.captions), CaptionTable.processed

    def meanwhile(*arguments):
        withdraw(table, "captioner", "3")
        return read(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(CaptionTable, "processed", meanwhile)
        assert night(world, "2026-03-10", 2).listed == 0
    assert night(world, "2026-03-10", 3).planned == 1


def test_22_10_a_cursor_passes_no_day_while_the_input_is_not_mounted(world):
    put(world, "2026-03-01")
    assert night(world, "2026-03-02", 1).listed == 1
    mounted = world.home.root / "mounted"
    world.home.inbox.rename(mounted)
    world.home.inbox.mkdir()
    for day in range(3, 9):
        with pytest.raises(ObjectUnavailable, match="holds no image"):
            night(world, f"2026-03-{day:02d}", day)
    assert night(world, "2026-03-09", 10, accept_empty=True).listed == 0, "nor where a person says that it is empty"
    world.home.inbox.rmdir()
    mounted.rename(world.home.inbox)
    put(world, "2026-03-03", "unseen.jpg")
    assert night(world, "2026-03-09", 9).planned == 1


def test_22_10_a_cursor_passes_no_day_that_could_not_be_listed(world):
    """A path of more than 4,096 bytes cannot be listed, by root either."""
    put(world, "2026-03-01")
    assert night(world, "2026-03-02", 1).planned == 1
    folder = os.open(world.home.inbox / "2026/03/01", os.O_RDONLY)
    for name in ["a" * 200, *("b" * 240 for _ in range(16))]:
        os.mkdir(name, dir_fd=folder)
        inner = os.open(name, os.O_RDONLY, dir_fd=folder)
        os.close(folder)
        folder = inner
    os.close(os.open("deep.jpg", os.O_CREAT | os.O_WRONLY, dir_fd=folder))
    os.utime("deep.jpg", (1_772_366_400, 1_772_366_400), dir_fd=folder)
    os.close(folder)
    assert [night(world, f"2026-03-{day:02d}", day).planned for day in (3, 9, 20)] == [0, 0, 0]
    (world.home.inbox / "2026/03/01" / ("a" * 200)).rename(world.home.inbox / "2026/03/01/a")
    assert night(world, "2026-03-21", 21).planned == 1


def test_other_policies_list_everything(world):
    put(world, "2026-03-01")
    put(world, "2026-03-09")
    night(world, "2026-03-10", 1)
    assert night(world, "2026-03-20", 2, policy="older_version").listed == 2


def test_a_cursor_is_kept_by_input_table_and_layout(tmp_path):
    Cursor.read(tmp_path, ("in", "table", "%Y"), 3, {"a": 1}).move(date(2026, 3, 1))
    assert Cursor.read(tmp_path, ("in", "table", "%Y"), 3, {"a": 1}).day == date(2026, 3, 1)
    assert Cursor.read(tmp_path, ("in", "other", "%Y"), 3, {"a": 1}).day is None


@pytest.mark.parametrize(
    ("sequence", "withdrawn", "is_kept"),
    [(4, {"a": 1}, True), (2, {"a": 1}, False), (3, {"a": 2}, False), (3, {}, True)],
)
def test_a_cursor_of_an_older_table_or_with_more_withdrawn_rows_has_no_day(tmp_path, sequence, withdrawn, is_kept):
    Cursor.read(tmp_path, ("in",), 3, {"a": 1}).move(date(2026, 3, 1))
    assert (Cursor.read(tmp_path, ("in",), sequence, withdrawn).day is not None) is is_kept


def test_21_7_days_that_were_listed_by_other_rules_are_listed_once_more(world):
    """An earlier version passed over `.jfif`, and its cursor says nothing of rules."""
    put(world, "2026-01-01")
    days = ("2026-01-02", "2026-03-09", "2026-03-10")
    assert [night(world, day, number).listed for number, day in enumerate(days)] == [1, 1, 0]
    put(world, "2026-01-01", "saved.jfif")
    (path,) = (world.home.store / "cursors").iterdir()
    write_json(path, {key: value for key, value in read_json(path).items() if key != "rules"})
    assert night(world, "2026-03-11", 3).planned == 1
    assert night(world, "2026-03-12", 4).listed == 2, "from the first day of what was new"
    assert night(world, "2026-03-20", 5).listed == 0


def test_a_cursor_without_a_day_is_removed(tmp_path):
    cursor = Cursor.read(tmp_path, ("in",), 3, {})
    for day in (date(2026, 3, 1), None, None):
        cursor.move(day)
    assert not cursor.path.exists()
