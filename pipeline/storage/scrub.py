"""Remove every mention of some texts from files: rows, entries, lines, or the whole file."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Collection, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.core.terminal import escaped
from pipeline.storage.files import read_json, write_bytes, write_json, write_parquet
from pipeline.storage.stage_outputs import CHANGING, LISTING

_SHORTEST = 4  # a shorter text is in any page by chance

_DIGEST = re.compile(r"[0-9a-f]{16,64}")
# What goes on before or after a text within a longer name; bytes above 127 are letters of UTF-8.
_GOES_ON = rb"[\w~@+%-]|[\x80-\xff]"

_WORD = re.compile(r"(?![0-9a-f]{16,64}$)[\w-]+")  # as names without a suffix are, and much else on a page
# The whole of a line, of a cell of CSV, of a text of JSON, or of an element or attribute of a page that names something.
_FIELD = (
    rb"(?:(?<![^\r\n,;\t|'])|(?<=[^=]\x22)|(?<=title=\x22)|(?<=alt=\x22)|(?<=src=\x22)|(?<=href=\x22)|(?<=>))%b"
    rb"(?![^\r\n,;\t|'\x22<])(?!</(?:h\d|th|dt|b|code|small|title)>)"
)

_GONE = object()


def scrub_folder(folder: Path, texts: Collection[str]) -> int:
    """Scrub every file below a folder; returns how many were changed or removed.

    Rows of Parquet files, lines and entries of JSON are dropped where a value is one of the texts. Other files are
    removed if they mention one anywhere, or if one is their name, with or without an ending.
    """
    return sum(scrub(path, texts) for path in sorted(folder.rglob("*")) if path.is_file())


def scrub(path: Path, texts: Collection[str]) -> bool:
    """Scrub one file; returns whether it changed."""
    if path.name in {LISTING, CHANGING}:
        return _drop_listed(path, texts)
    match path.suffix:
        case ".parquet":
            return _drop_rows(path, texts)
        case ".jsonl":
            kept = lines_without(path, texts)
            if kept is not None:
                write_bytes(path, kept)
            return kept is not None
        case ".json":
            return _drop_entries(path, texts)
    if not (mentions(path.read_bytes(), texts) or _is_named(path.name, texts)):
        return False
    path.unlink()
    return True


def drop_mentions(path: Path, texts: Collection[str]) -> bool:
    """Drop the lines of a log that mention a text, in place for a writer at work; returns whether there were any.

    The lines are blanked first: a process that stops while the others move up leaves no mention.
    """
    with path.open("r+b") as file:
        lines = _lines_of_log(file.read(), texts)
        if all(is_kept for _, is_kept in lines):
            return False
        file.seek(0)
        file.writelines(line if is_kept else b" " * (len(line) - 1) + b"\n" for line, is_kept in lines)
        file.flush()
        late = file.read()  # what a writer added meanwhile
        file.seek(0)
        file.writelines([*(line for line, is_kept in lines if is_kept), late])
        file.truncate()
    return True


def lines_without(path: Path, texts: Collection[str]) -> bytes | None:
    """A file of JSON lines without those in which a value is one of the texts; None if there are none.

    Of a line that is cut short, as a process leaves it that dies, nobody can tell what it named: it is left out.
    """
    lines = path.read_bytes().splitlines(keepends=True)
    kept = [line for line in lines if not line.strip() or _is_without(line, texts)]
    return b"".join(kept) if len(kept) < len(lines) else None


def _is_without(line: bytes, texts: Collection[str]) -> bool:
    try:
        value = json.loads(line)
    except ValueError:
        return False
    return bool(value == pruned(value, texts))


def _lines_of_log(data: bytes, texts: Collection[str]) -> list[tuple[bytes, bool]]:
    """The lines of a log, and whether each is kept; a name with a line break is mentioned by several."""
    spans = [found.span() for text in texts for found in _places_of(data, text)]
    lines, start = [], 0
    for line in data.splitlines(keepends=True):
        end = start + len(line)
        lines.append((line, not any(first < end and start < last for first, last in spans)))
        start = end
    return lines


def pruned(value: Any, texts: Collection[str]) -> Any:
    """A JSON value without the entries, and the objects in lists, in which a string is one of the texts."""
    left = _pruned(value, texts)
    return None if left is _GONE else left


def _pruned(value: Any, texts: Collection[str]) -> Any:
    if isinstance(value, str):
        return _GONE if value in texts else value
    if isinstance(value, list):
        return [left for item in value if (left := _pruned(item, texts)) is not _GONE]
    if isinstance(value, dict):
        if any(isinstance(item, str) and item in texts for item in value.values()):
            return _GONE
        entries = ((key, _pruned(item, texts)) for key, item in value.items() if key not in texts)
        return {key: left for key, left in entries if left is not _GONE}
    return value


def _drop_rows(path: Path, texts: Collection[str]) -> bool:
    rows = kept = pq.read_table(path)
    for field in rows.schema:
        if pa.types.is_string(field.type) or pa.types.is_large_string(field.type):
            kept = kept.filter(pc.invert(pc.is_in(kept[field.name], value_set=pa.array(sorted(texts), field.type))))
    if len(kept) < len(rows):
        write_parquet(path, kept)
    return len(kept) < len(rows)


def _drop_entries(path: Path, texts: Collection[str]) -> bool:
    before = read_json(path)
    after = pruned(before, texts)
    if after != before:
        write_json(path, after)
    return bool(after != before)


def _drop_listed(path: Path, texts: Collection[str]) -> bool:
    """Drop the files that would be removed for their name from a stage's list of its files."""
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    kept = [line for line in lines if not _is_named(PurePosixPath(line[66:].rstrip("\n")).name, texts)]
    if kept != lines:
        write_bytes(path, "".join(kept).encode())
    return kept != lines


def _is_named(name: str, texts: Collection[str]) -> bool:
    """Whether a text is a file's name, with or without an ending."""
    return any(f"{name}.".startswith(f"{text}.") for text in texts)


def mentions(data: bytes, texts: Collection[str]) -> bool:
    """Whether bytes hold a text as it is, or as JSON or a page spells it."""
    return any(any(_places_of(data, text)) for text in texts)


def _places_of(data: bytes, text: str) -> Iterator[re.Match[bytes]]:
    """Where a text stands by itself: `1.jpg` is not mentioned by `11.jpg`, nor by the path of another `1.jpg`."""
    for spelling in set(_spellings(text)) if len(text) >= _SHORTEST else ():
        if spelling in data:  # much faster than the expression
            yield from re.finditer(_alone(text, re.escape(spelling)), data)


def _alone(text: str, spelling: bytes) -> bytes:
    if _WORD.fullmatch(text):
        return _FIELD % spelling
    if _DIGEST.fullmatch(text):
        return rb"(?<!\w)%b(?!\w)" % spelling
    above = rb"" if text.startswith("/") else rb"|[/\\]"
    return rb"(?<!%b|\.%b)%b(?!%b|\.\w|/)" % (_GOES_ON, above, spelling, _GOES_ON)


def _spellings(text: str) -> Iterator[bytes]:
    in_html = html.escape(text)
    as_jinja_does = in_html.replace("&#x27;", "&#39;").replace("&quot;", "&#34;")
    for each in (text, escaped(text), json.dumps(text)[1:-1], repr(text)[1:-1], in_html, as_jinja_does):
        yield each.encode("utf-8", "surrogateescape")
