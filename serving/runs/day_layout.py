"""Layouts of inputs whose folders carry the day: a night lists only the last days."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.storage.objects import Folder

_DATES = {"%Y": r"(?P<Y>\d{4})", "%m": r"(?P<m>\d{2})", "%d": r"(?P<d>\d{2})"}
_PART = re.compile(r"\*|(?!\.)(?:%[Ymd]|[\w.=+-])+", re.ASCII)


class Layout:
    """Folders by day, such as `%Y/%m/%d` or `*/%Y-%m-%d`, where `*` is any one folder."""

    def __init__(self, text: str) -> None:
        """Check a layout; ValueError if it does not have each part of the date once, in plain folders."""
        self.text = text
        self._parts = text.split("/")
        if not all(_PART.fullmatch(part) for part in self._parts) or any(text.count(code) != 1 for code in _DATES):
            raise ValueError("a layout has %Y, %m and %d once each, in folders of plain letters or *: */%Y/%m/%d")
        self._pattern = re.compile("/".join(map(_expression, self._parts)) + "/")

    def day(self, name: str) -> date | None:
        """The day in an object's name; None if the name does not fit the layout."""
        match = self._pattern.match(name)
        try:
            return date(int(match["Y"]), int(match["m"]), int(match["d"])) if match else None
        except ValueError:
            return None

    def is_above_days(self, folder: str) -> bool:
        """Whether a folder, by its name, may hold the folders of days."""
        parts = folder.split("/")
        fits = (re.fullmatch(_expression(part), name) for part, name in zip(self._parts, parts, strict=False))
        return len(parts) < len(self._parts) and all(fits)

    def folders(self, folder: Folder, first: date, last: date) -> Iterator[str]:
        """Names of the folders of some days, which need not exist."""
        for days in range((last - first).days + 1):
            yield from self._of(folder, first + timedelta(days))

    def _of(self, folder: Folder, day: date) -> list[str]:
        folders = [""]
        for part in self._parts:
            if part == "*":
                folders = [below for above in folders for below in folder.folders(above)]
            else:
                folders = [f"{above}/{day.strftime(part)}".lstrip("/") for above in folders]
        return folders


def _expression(part: str) -> str:
    if part == "*":
        return "[^/]+"
    pieces = re.split("(%[Ymd])", part)
    return "".join(_DATES.get(piece) or re.escape(piece) for piece in pieces)
