"""Text files that people give: JSON, CSV, lists and settings, in the encodings that their programs write."""

from __future__ import annotations

import codecs
import csv
import io
import logging
import re
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Protocol

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
_CHUNK = 1 << 16  # bytes that are decoded at once
_LONGEST_LINE = 1 << 20  # characters
# Text of another code page, read as Windows-1252, has signs inside words or long runs of accented letters.
_NOT_1252 = re.compile(r"[^\W\d_][^\w\s\x00-\x7f\u2018\u2019\u2013\u2014·]+[^\W\d_]|[¹²³][^\W\d_]|[^\W\d_\x00-\x7f]{4}")


class Readable(Protocol):
    """An open file or another stream of bytes."""

    def read(self, size: int, /) -> bytes:
        """The next bytes; none at the end."""


def file_text(file: Path, needs: str) -> str:
    r"""A file's text with `\n` at line ends: UTF-8, UTF-16 or UTF-32, with or without a mark, else Windows-1252.

    Raises SettingsError, which ends with `needs`, where the file cannot be read or has another encoding.
    """
    try:
        with file.open("rb") as stream:
            return "".join(texts_of(stream, str(file), needs))
    except OSError as error:
        raise SettingsError(f"cannot read {file}: {error.strerror or error}; {needs}") from error


def texts_of(stream: Readable, name: str, needs: str) -> Iterator[str]:
    """The text of a stream in pieces, read as `file_text` does; messages call it `name`."""
    newlines, before = io.IncrementalNewlineDecoder(None, translate=True), "\n"
    for piece in chain(_decoded(stream, name, needs), [None]):
        text = newlines.decode(piece or "", final=piece is None)
        yield (before + text).replace("\n\ufeff", "\n")[len(before) :]  # joined files have a mark at each beginning
        before = ("\n" if text.endswith("\n") else "") if text else before


def _decoded(stream: Readable, name: str, needs: str) -> Iterator[str]:
    """Text in pieces; from the first byte on that is no UTF-8, Windows-1252 if all before is ASCII."""
    chunks = iter(lambda: stream.read(_CHUNK), b"")
    first = next(chunks, b"")
    encoding, read = _encoding(first)
    decoder, is_ascii, refusal = codecs.getincrementaldecoder(encoding)(), encoding == "utf-8", None
    for chunk in chain([first[read:]], chunks, [None]):
        data = chunk or b""
        read += len(data)
        try:
            text = decoder.decode(data, final=chunk is None)
        except UnicodeDecodeError as error:
            fault = f"byte {read - len(error.object) + error.start} is no {error.encoding.upper()} ({error.reason})"
            refusal = SettingsError(f"cannot read {name}: {fault}; save it as UTF-8; {needs}")
            if not is_ascii:
                raise refusal from error
            decoder = codecs.getincrementaldecoder("cp1252")("replace")
            text = decoder.decode(error.object)
            log.warning("%s is not UTF-8; read as Windows-1252 (Western European)", name)
        if refusal and ("\ufffd" in text or _NOT_1252.search(text)):
            raise refusal
        is_ascii = is_ascii and text.isascii()
        yield text


def _encoding(data: bytes) -> tuple[str, int]:
    """The encoding that the first bytes tell, and the length of its mark."""
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return encoding, len(mark)
    return _without_mark(data), 0


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
    """The fields of each line of a table by column, with the line's number; what `spreadsheet.cell` added is taken off.

    Raises SettingsError as `csv_table`, for a column that lacks and for a line with a field too many or too few.
    """
    try:
        with file.open("rb") as stream:
            columns, rows = csv_table(stream, str(file), needs)
            if missing := needed - set(columns):
                raise SettingsError(f"{file} lacks the columns {', '.join(sorted(missing))}; its first line names them")
            for line, row in rows:
                yield line, _by_column(f"{file}:{line}", columns, row)
    except OSError as error:
        raise SettingsError(f"cannot read {file}: {error.strerror or error}; {needs}") from error


def csv_table(
    stream: Readable, name: str, needs: str, columns: Sequence[str] | None = None
) -> tuple[list[str], Iterator[tuple[int, list[str]]]]:
    """Names of the columns in lower case, and the fields of each line that is not empty, with the line's number.

    The first line names the columns, unless they are given. Commas, semicolons, tabs or bars part the fields, as it
    tells, or a line `sep=;` before it; commas where columns are given. Few lines are in memory at once. Raises
    SettingsError as `file_text`, and where quotation marks do not match.
    """
    lines = _lines(texts_of(stream, name, needs), name, needs)
    first, skipped, delimiters = "", -1, _DELIMITERS
    for first in lines:
        skipped += 1
        if named := re.fullmatch(r"\s*\"?sep=(.)\"?[,;\t|]*\n", first, re.IGNORECASE):
            delimiters = named[1]
        elif first.strip():
            break
    names, delimiter = _columns(first, delimiters) if columns is None else (list(columns), ",")

    def rows() -> Iterator[tuple[int, list[str]]]:
        reader = csv.reader(chain([first], lines), delimiter=delimiter, strict=True)
        try:
            for number, row in enumerate(reader):
                while len(row) > len(names) and not row[-1].strip():  # spreadsheets fill up lines
                    row.pop()
                if (number or columns is not None) and any(field.strip() for field in row):
                    yield skipped + reader.line_num, row
        except csv.Error as error:
            raise SettingsError(f"{name}:{skipped + reader.line_num}: {error}; {needs}") from error

    return names, rows()


def _lines(texts: Iterator[str], name: str, needs: str) -> Iterator[str]:
    rest = ""
    for text in texts:
        *lines, rest = (rest + text).split("\n")
        yield from (f"{line}\n" for line in lines)
        if len(rest) > _LONGEST_LINE:
            raise SettingsError(f"{name} has a line of more than {_LONGEST_LINE:,} characters; {needs}")
    yield from [rest] if rest else []


def _columns(line: str, delimiters: str) -> tuple[list[str], str]:
    """Names of the columns, and the one of some delimiters that tells most apart."""
    named = {each: next(csv.reader([line], delimiter=each), []) for each in delimiters}
    delimiter = max(delimiters, key=lambda each: len(named[each]))
    return [name.strip().lower() for name in named[delimiter]], delimiter


def _by_column(place: str, columns: list[str], row: list[str]) -> dict[str, str]:
    if len(row) != len(columns):
        raise SettingsError(
            f"{place}: {len(row)} fields, where the first line names {len(columns)} ({', '.join(columns)}); put captions "
            'with commas in quotation marks, and leave no field out: "a dog, running"'
        )
    return dict(zip(columns, map(text_of, row), strict=True))
