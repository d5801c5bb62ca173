"""Times of the day."""

from __future__ import annotations

import re
from datetime import datetime, time, timedelta
from typing import Final

TIME_OF_DAY: Final = r"^([01]\d|2[0-3]):[0-5]\d$"


def time_of_day(text: str) -> time:
    """HH:MM as a time; ValueError if the text is no such time."""
    if not re.fullmatch(TIME_OF_DAY, text):
        raise ValueError("not a time of the day as HH:MM")
    return time.fromisoformat(text)


def next_time(text: str, moment: datetime) -> datetime:
    """When HH:MM next comes after an aware moment, on the clocks of that moment's zone."""
    # Of an hour that comes twice, the one that the moment is in.
    end = datetime.combine(moment.date(), time_of_day(text), moment.tzinfo).replace(fold=moment.fold)
    return end if end > moment else end + timedelta(days=1)
