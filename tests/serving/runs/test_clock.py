"""Times of the day."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from serving.runs.clock import next_time, time_of_day

PARIS = ZoneInfo("Europe/Paris")


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        (datetime(2026, 1, 7, 5, 59, tzinfo=UTC), datetime(2026, 1, 7, 6, tzinfo=UTC)),
        (datetime(2026, 1, 7, 6, tzinfo=UTC), datetime(2026, 1, 8, 6, tzinfo=UTC)),
        (datetime(2026, 3, 28, 20, tzinfo=PARIS), datetime(2026, 3, 29, 4, tzinfo=UTC)),
        (datetime(2026, 10, 24, 20, tzinfo=PARIS), datetime(2026, 10, 25, 5, tzinfo=UTC)),
    ],
)
def test_it_is_the_clock_that_counts(moment, expected):
    assert next_time("06:00", moment).astimezone(UTC) == expected


def test_an_hour_that_comes_twice():
    second = datetime(2026, 10, 25, 2, 10, tzinfo=PARIS, fold=1)
    assert next_time("02:30", second).astimezone(UTC) == datetime(2026, 10, 25, 1, 30, tzinfo=UTC)


@pytest.mark.parametrize("text", ["24:00", "6:00", "06:00:00", "06", "", "06:60", "06:00\n"])
def test_what_is_no_time_of_the_day(text):
    with pytest.raises(ValueError, match="HH:MM"):
        time_of_day(text)
