"""Text files that people give: JSON, CSV, lists and settings, in the encodings that their programs write."""

from __future__ import annotations

import codecs
import csv
import io
import logging
import re
from collections.abc import Iterator
from pathlib import Path

from pipeline.core.errors import SettingsError
from pipeline.core.spreadsheet import text_of

log = logging.getLogger(__name__)

_MARKS = (  # UTF-32's mark begins with UTF-16's
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_DELIMITERS = ",;\t|"
# Text of another code page, read as Windows-1252, has signs inside words or long runs of accented letters.
_NOT_1252 = re.compile(r"[^\W\d_][^\w\s\x00-\x7f\u2018\u2019\u2013\u2014·]+[^\W\d_]|[¹²³][^\W\d_]|[^\W\d_\x00-\x7f]{4}")


def file_text(file: Path, needs: str) -> str:
    r"""A file's text with `\n` at line ends: UTF-8, UTF-16 or UTF-32, with or without a mark, else Windows-1252.

    Raises SettingsError, which ends with `needs`, where the file cannot be read or has another encoding.
    """
    try:
        return decode_text(file.read_bytes(), str(file)).replace("\r\n", "\n").replace("\r", "\n")
    except OSError as error:
        raise SettingsError(f"cannot read {file}: {error.strerror or error}; {needs}") from error
    except UnicodeDecodeError as error:
        fault = f"byte {error.start} is no {error.encoding.upper()} ({error.reason})"
        raise SettingsError(f"cannot read {file}: {fault}; save it as UTF-8; {needs}") from error


def decode_text(data: bytes, name: str) -> str:
    """Bytes as text, as `file_text` does; raises UnicodeDecodeError."""
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return data[len(mark) :].decode(encoding)
    if (encoding := _without_mark(data)) != "utf-8":
        return data.decode(encoding)
    try:
        return data.decode()
    except UnicodeDecodeError:
        text = data.decode("cp1252", "replace")
        if "\ufffd" in text or _NOT_1252.search(text):
            raise
    log.warning("%s is not UTF-8; read as Windows-1252 (Western European)", name)
    return text


def _without_mark(data: bytes) -> str:
    """The encoding that null bytes among the first characters tell, one of which is Latin."""
    characters = min(len(data) // 4, 16)
    nulls = [data[place : 4 * characters : 4].count(0) for place in range(4)]
    if sum(nulls) < max(1, characters / 2):
        return "utf-8"
    for encoding, first, second in (("utf-32-be", 0, 1), ("utf-32-le", 3, 2)):
        if nulls[first] == characters and nulls[second] >= characters / 2:
            return encoding
    return "utf-16-be" if nulls[0] + nulls[2] > nulls[1] + nulls[3] else "utf-16-le"


def csv_rows(file: Path, needed: set[str], needs: str) -> Iterator[tuple[int, dict[str, str]]]:
    """The fields of each line that is not empty, by column, with the line's number.

    Fields are parted by commas, semicolons, tabs or bars, as the first line or a line `sep=;` before it tells. Names
    of columns count in any case. Raises SettingsError as `file_text`, for a column that lacks and for a line with a
    field too many or too few.
    """
    text = file_text(file, needs)
    named = re.match(r"\s*\"?sep=(.)\"?[,;\t|]*\n", text, re.IGNORECASE)
    lines = text[named.end() if named else 0 :].lstrip("\n")
    skipped = text[: len(text) - len(lines)].count("\n")
    columns, delimiter = _columns(lines.partition("\n")[0], named[1] if named else _DELIMITERS)
    if missing := needed - set(columns):
        raise SettingsError(f"{file} lacks the columns {', '.join(sorted(missing))}; its first line names them")
    rows = csv.reader(io.StringIO(lines, newline=""), delimiter=delimiter, strict=True)
    try:
        next(rows)
        for row in rows:
            if any(field.strip() for field in row):
                yield skipped + rows.line_num, _fields(f"{file}:{skipped + rows.line_num}", columns, row)
    except csv.Error as error:
        raise SettingsError(f"{file}:{skipped + rows.line_num}: {error}; {needs}") from error


def _columns(line: str, delimiters: str) -> tuple[list[str], str]:
    """Names of the columns, and the one of some delimiters that tells most apart."""
    named = {each: next(csv.reader([line], delimiter=each), []) for each in delimiters}
    delimiter = max(delimiters, key=lambda each: len(named[each]))
    return [name.strip().lower() for name in named[delimiter]], delimiter


def _fields(place: str, columns: list[str], row: list[str]) -> dict[str, str]:
    while len(row) > len(columns) and not row[-1].strip():  # spreadsheets fill up lines
        row.pop()
    if len(row) != len(columns):
        raise SettingsError(
            f"{place}: {len(row)} fields, where the first line names {len(columns)} ({', '.join(columns)}); put captions "
            'with commas in quotation marks, and leave no field out: "a dog, running"'
        )
    return dict(zip(columns, map(text_of, row), strict=True))
