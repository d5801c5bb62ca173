"""CSV that a spreadsheet opens as text, whichever separator its country uses."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable
from typing import Final

BOM: Final = "\N{ZERO WIDTH NO-BREAK SPACE}"  # before the first line; Excel takes a file without one for cp1252

# Excel, LibreOffice and Google Sheets take a cell that begins with one of these for a formula. A cell begins at its start
# and, where a semicolon or tab separates, inside a field between commas, whose quotes then do not count.
_BEFORE: Final = r"(\A|[,;|\t\r\n])([\s\"\u200b\ufeff]*)"
_FORMULA: Final = "(?='*[=+\\-@\N{FULLWIDTH EQUALS SIGN}\N{FULLWIDTH PLUS SIGN}\N{FULLWIDTH HYPHEN-MINUS}\N{FULLWIDTH COMMERCIAL AT}])"
_START: Final = re.compile(_BEFORE + _FORMULA)
_NEUTRAL: Final = re.compile(f"{_BEFORE}'{_FORMULA}")


def cell(text: str) -> str:
    """A text with an apostrophe before each place that a spreadsheet could take for the beginning of a formula."""
    return _START.sub(r"\1\2'", text)


def text_of(cell: str) -> str:
    """The text of a cell that `cell` made."""
    return _NEUTRAL.sub(r"\1\2", cell)


def csv_line(values: Iterable[str | float | None]) -> str:
    """A line of CSV: numbers as they are, texts as `cell` has them, all in quotation marks."""
    line = io.StringIO()
    csv.writer(line, quoting=csv.QUOTE_ALL).writerow(cell(each) if isinstance(each, str) else each for each in values)
    return line.getvalue()
