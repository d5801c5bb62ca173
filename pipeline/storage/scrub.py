"""Take every mention of some texts out of files: rows, entries, lines, or the whole file."""

from __future__ import annotations

import html
import json
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.storage.files import read_json, write_json, write_parquet, write_text

SHORTEST = 4  # a shorter text is in any page by chance

_GONE = object()


def scrub_folder(folder: Path, texts: Collection[str]) -> int:
    """Scrub every file below a folder, and tell how many were changed or removed.

    Rows of Parquet files, lines and entries of JSON are dropped where a value is one of the texts. Other
    files are removed if they mention one anywhere, or if their name begins with one.
    """
    return sum(scrub(path, texts) for path in sorted(folder.rglob("*")) if path.is_file())


def scrub(path: Path, texts: Collection[str]) -> bool:
    """Scrub one file, and tell whether it changed."""
    kind = path.suffix
    if kind == ".parquet":
        return _rows(path, texts)
    if kind == ".jsonl":
        return drop_lines(path, texts)
    if kind == ".json":
        return _entries(path, texts)
    if not (is_mentioned(path.read_bytes(), texts) or any(path.name.startswith(text) for text in texts)):
        return False
    path.unlink()
    return True


def is_mentioned(data: bytes, texts: Collection[str]) -> bool:
    """Whether bytes hold a text as it is, or as JSON or a page would write it."""
    return any(spelt in data for text in texts if len(text) >= SHORTEST for spelt in _spellings(text))


def drop_mentions(path: Path, texts: Collection[str]) -> bool:
    """Drop the lines of a log that mention a text; tell whether there were any.

    The file stays the one that it is, as its writer may have it open.
    """
    with path.open("r+b") as file:
        lines = file.readlines()
        kept = [line for line in lines if not is_mentioned(line, texts)]
        if len(kept) < len(lines):
            file.seek(0)
            file.writelines(kept)
            file.truncate()
    return len(kept) < len(lines)


def drop_lines(path: Path, texts: Collection[str]) -> bool:
    """Drop the lines of JSON in which a value is one of the texts; tell whether there were any."""
    kept = lines_without(path, texts)
    if kept is not None:
        write_text(path, kept)
    return kept is not None


def lines_without(path: Path, texts: Collection[str]) -> str | None:
    """What a file of lines of JSON would hold without those in which a value is one of the texts; None if there are none."""
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    kept = [line for line in lines if line.isspace() or _is_clear(json.loads(line), texts)]
    return "".join(kept) if len(kept) < len(lines) else None


def pruned(value: Any, texts: Collection[str]) -> Any:
    """A JSON value without the entries, and the objects in lists, in which a string is one of the texts."""
    left = _pruned(value, texts)
    return None if left is _GONE else left


def _is_clear(value: Any, texts: Collection[str]) -> bool:
    return bool(pruned(value, texts) == value)


def _pruned(value: Any, texts: Collection[str]) -> Any:
    if isinstance(value, str):
        return _GONE if value in texts else value
    if isinstance(value, list):
        return [left for item in value if (left := _pruned(item, texts)) is not _GONE]
    if isinstance(value, dict):
        if any(isinstance(item, str) and item in texts for item in value.values()):
            return _GONE
        return {
            key: left for key, item in value.items() if key not in texts and (left := _pruned(item, texts)) is not _GONE
        }
    return value


def _rows(path: Path, texts: Collection[str]) -> bool:
    rows = pq.read_table(path)
    kept = rows
    for field in rows.schema:
        if pa.types.is_string(field.type) or pa.types.is_large_string(field.type):
            kept = kept.filter(pc.invert(pc.is_in(kept[field.name], value_set=pa.array(sorted(texts), field.type))))
    if len(kept) == len(rows):
        return False
    write_parquet(path, kept)
    return True


def _entries(path: Path, texts: Collection[str]) -> bool:
    before = read_json(path)
    after = pruned(before, texts)
    if after == before:
        return False
    write_json(path, after)
    return True


def _spellings(text: str) -> Iterator[bytes]:
    yield text.encode("utf-8", "surrogateescape")
    yield json.dumps(text)[1:-1].encode()
    yield html.escape(text).encode("utf-8", "surrogateescape")
