"""Keys that carry the day, and nights that list only the last ones."""

from datetime import date

import pytest

from pipeline.core.errors import SettingsError
from pipeline.storage.objects import LocalFolder
from serving.runs.day_layout import Layout
from serving.runs.settings import night_settings


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


def test_folders_above_days_are_known_by_name():
    layout = Layout("*/%Y/%m-%d")
    above = ["cam", "cam/2026", "cam/2026/03-05", "cam/x", "cam/2026/03-05/sub"]
    assert [layout.is_above_days(name) for name in above] == [True, True, False, False, False]
