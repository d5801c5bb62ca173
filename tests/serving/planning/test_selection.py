"""Selecting from a listing."""

from datetime import UTC, date, datetime, timedelta
from itertools import count

import numpy as np
import pytest

from pipeline.storage.forgotten import Forgotten
from pipeline.storage.objects import Ignored, LocalFolder, ObjectInfo
from serving.planning.image_hashes import Deduplicator, hashed
from serving.planning.newest import Newest
from serving.planning.selection import DayListing, Selection, WholeListing, days_from
from serving.runs.day_layout import Layout

END = datetime(2026, 3, 10, tzinfo=UTC)
NONE = np.empty(0, np.int64)


def info(name, hours_before=1):
    return ObjectInfo(name, f"/in/{name}", "e", 1, END - timedelta(hours=hours_before))


class Listed(list):
    """Objects as a listing."""

    ignored = Ignored()
    unlisted = ()


@pytest.fixture
def select(tmp_path):
    """Selects from objects; gives the counts, the selected names and the selection."""
    numbers = count()

    def run(infos, done=NONE, budget=None, **settings):
        forgotten = settings.pop("forgotten", Forgotten.of(tmp_path))
        with Newest(tmp_path / str(next(numbers)), budget) as newest:
            selection = Selection(END, done, forgotten, newest, **settings)
            counts = selection.select(Listed(infos))
            names = [line.split('"')[1] for line in newest.lines()]
        return counts, names, selection

    return run


def sorted_hashes(*names):
    return np.sort(hashed((f"/in/{name}", "e") for name in names))


def test_counts_add_up(select):
    infos = [info("a"), info("b", 2), info("c", 3), info("d", -1)]
    counts, names, _ = select(infos, sorted_hashes("b"), budget=1)
    assert names == ["a"]
    assert (counts.listed, counts.unchanged, counts.planned, counts.backlog, counts.later) == (3, 1, 1, 1, 1)


def test_a_replay_selects_only_its_images(select):
    counts, names, _ = select([info("a"), info("b")], replayed=sorted_hashes("b", "gone"))
    assert (names, counts.unchanged) == (["b"], 1)


def test_what_is_forgotten_is_never_selected(select):
    counts, names, _ = select([info("a"), info("b")], forgotten={"/in/a"})
    assert (names, counts.unchanged) == (["b"], 1)


def test_repeated_objects_are_ignored(select):
    counts, names, _ = select([info("a"), info("a"), info("b")], deduplicator=Deduplicator())
    assert (sorted(names), counts.listed, counts.ignored) == (["a", "b"], 2, 1)


def test_the_first_day_is_that_of_objects_without_a_caption(select):
    names = ["2026/03/01/a.jpg", "2026/03/05/b.jpg", "2026/03/07/c.jpg", "loose.jpg"]
    done = sorted_hashes(names[0])
    _, _, selection = select([info(name) for name in names], done, layout=Layout("%Y/%m/%d"))
    assert (selection.first_day, selection.outside_layout) == (date(2026, 3, 5), 1)


def test_days_allow_for_late_arrivals_and_time_zones():
    assert days_from(date(2026, 3, 5), END, 2) == (date(2026, 3, 3), date(2026, 3, 11))


def test_listings_count_the_files_that_they_ignore(tmp_path):
    for name in ("2026/03/01/a.jpg", "2026/03/01/notes.txt", "2026/03/02/b.jpg", "2026/03/09/c.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    whole = WholeListing(LocalFolder(tmp_path))
    days = DayListing(LocalFolder(tmp_path), Layout("%Y/%m/%d"), date(2026, 3, 1), date(2026, 3, 3))
    assert sorted(each.name[-5:] for each in whole) == ["a.jpg", "b.jpg", "c.jpg"]
    for _ in range(2):
        assert sorted(each.name for each in days) == ["2026/03/01/a.jpg", "2026/03/02/b.jpg"]
    assert (whole.ignored.reasons, days.ignored.reasons) == ({"other_type": 1}, {"other_type": 1})


def test_what_comes_again_is_counted_and_what_waits_longer_keeps_its_day(select):
    names = ["2026/03/01/waits.jpg", "2026/03/05/again.jpg", "2026/03/07/new.jpg"]
    counts, selected, selection = select(
        [info(name) for name in names],
        due_again=sorted_hashes(names[1]),
        later_again=sorted_hashes(names[0]),
        layout=Layout("%Y/%m/%d"),
    )
    assert sorted(selected) == names[1:]
    assert (counts.again, counts.planned, counts.unchanged) == (1, 2, 1)
    assert selection.first_day == date(2026, 3, 1)


def test_what_is_captioned_since_waits_no_longer_and_lets_its_day_go(select):
    names = ["2026/03/01/captioned_at_last.jpg", "2026/03/07/new.jpg"]
    tried = sorted_hashes(names[0])
    _, _, selection = select([info(name) for name in names], tried, later_again=tried, layout=Layout("%Y/%m/%d"))
    assert selection.first_day == date(2026, 3, 7)
