"""Keys that carry the day, and nights that list only the last ones."""

import os
from datetime import date, datetime

import pytest

from pipeline.core.errors import SettingsError
from pipeline.storage.objects import LocalFolder
from pipeline.storage.tables import CaptionTable
from pipeline.storage.tables.withdraw import withdraw
from serving.runs.day_layout import Layout
from serving.runs.settings import night_settings
from tests.serving.night_world import image


@pytest.mark.parametrize(
    ("layout", "name", "day"),
    [
        ("%Y/%m/%d", "2026/11/23/a.jpg", date(2026, 11, 23)),
        ("%Y/%m/%d", "2026/11/23.jpg", None),
        ("%Y/%m/%d", "2026/13/23/a.jpg", None),
        ("*/%Y-%m-%d", "cam/2026-11-23/x/a.jpg", date(2026, 11, 23)),
        ("*/%Y-%m-%d", "2026-11-23/a.jpg", None),
        ("year=%Y/month=%m/day=%d", "year=2026/month=01/day=02/a.jpg", date(2026, 1, 2)),
    ],
)
def test_the_day_in_a_name(layout, name, day):
    assert Layout(layout).day(name) == day


@pytest.mark.parametrize(
    "layout", ["%Y/%m", "%Y/%m/%d/%d", "../%Y%m%d", "/%Y/%m/%d", "%Y/%m/%d/", "%Y/%m/%d/%H", "a b/%Y%m%d"]
)
def test_layouts_that_are_refused(layout):
    with pytest.raises(SettingsError, match="layout"):
        night_settings({"layout": layout})


def test_folders_of_days(tmp_path):
    for name in ("a/2026/11/23", "b/2026/11/22", "b/2025/01/01"):
        (tmp_path / name).mkdir(parents=True)
    found = list(Layout("*/%Y/%m/%d").folders(LocalFolder(tmp_path), date(2026, 11, 22), date(2026, 11, 23)))
    assert found == ["a/2026/11/22", "b/2026/11/22", "a/2026/11/23", "b/2026/11/23"]


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
    assert night(world, "2026-03-20", 3).listed == 2, "another table"
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
    table, read = CaptionTable(world.home.captions), CaptionTable.known

    def meanwhile(*arguments):
        withdraw(table, "captioner", "3")
        return read(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(CaptionTable, "known", meanwhile)
        assert night(world, "2026-03-10", 2).listed == 0
    assert night(world, "2026-03-10", 3).planned == 1


def test_other_policies_list_everything(world):
    put(world, "2026-03-01")
    put(world, "2026-03-09")
    night(world, "2026-03-10", 1)
    assert night(world, "2026-03-20", 2, policy="older_version").listed == 2
