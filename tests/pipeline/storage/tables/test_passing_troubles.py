"""Images that are tried again by themselves, at growing distances."""

from datetime import timedelta

import pytest

from pipeline.core.reasons import OF_THE_MOMENT
from pipeline.storage.tables import CaptionTable
from pipeline.storage.tables.passing_troubles import PassingTroubles
from tests.pipeline.storage.tables.table_rows import START, later, quarantined, row, rows


def names(table):
    return sorted(table["image"].to_pylist())


def test_only_troubles_of_the_moment_come_again(tmp_path):
    table = CaptionTable(tmp_path / "captions")
    kept = [quarantined(reason, reason) for reason in ("corrupt", "empty", "source_changed", "withheld")]
    table.append(rows(row("fine"), *kept, *(quarantined(reason, reason) for reason in OF_THE_MOMENT)), 0)
    troubles = table.passing_troubles(START)
    assert names(troubles.due) == sorted(OF_THE_MOMENT)
    done = {image for batch in table.processed() for image in batch["image"].to_pylist()}
    assert done == {"fine", "corrupt", "empty", "withheld"}
    versions = {
        image for batch in table.processed("everything", ("captioner", "1")) for image in batch["image"].to_pylist()
    }
    assert versions > OF_THE_MOMENT


@pytest.mark.parametrize(
    ("tries", "days", "state"),
    [
        (1, 0, "due"),
        (2, 0.4, "later"),
        (2, 0.6, "due"),
        (3, 1, "later"),
        (3, 2, "due"),
        (7, 31, "later"),
        (7, 32, "due"),
    ],
)
def test_the_distance_grows_with_the_tries(tmp_path, tries, days, state):
    table = CaptionTable(tmp_path / "captions")
    for number in range(tries):
        table.append(rows(quarantined("a", "forbidden", **later(number - tries + 1))), number, key=("night",))
    troubles = table.passing_troubles(START + timedelta(days=days))
    assert {name: names(getattr(troubles, name)) for name in ("due", "later", "ended")} == {
        name: ["a"] if name == state else [] for name in ("due", "later", "ended")
    }


def test_at_last_it_stays_out_and_a_changed_file_begins_anew(tmp_path):
    table = CaptionTable(tmp_path / "captions")
    table.append(rows(*(quarantined("a", "forbidden", **later(number)) for number in range(8))), 0)
    table.append(rows(quarantined("a", "forbidden", etag="e2")), 1)
    troubles = table.passing_troubles(START + timedelta(days=10_000))
    assert (names(troubles.ended), troubles.due.to_pylist()) == (["a"], [{"image": "a", "etag": "e2"}])


def test_no_rows_are_no_trouble():
    troubles = PassingTroubles.of((), START)
    assert [len(each) for each in (troubles.due, troubles.later, troubles.ended)] == [0, 0, 0]
