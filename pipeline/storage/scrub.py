"""Remove every mention of some texts from files: rows, entries, lines, or the whole file."""

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

_SHORTEST = 4  # a shorter text is in any page by chance

_GONE = object()


def scrub_folder(folder: Path, texts: Collection[str]) -> int:
    """Scrub every file below a folder; returns how many were changed or removed.

    Rows of Parquet files, lines and entries of JSON are dropped where a value is one of the texts. Other files are
    removed if they mention one anywhere, or if their name begins with one.
    """
    return sum(scrub(path, texts) for path in sorted(folder.rglob("*")) if path.is_file())


def scrub(path: Path, texts: Collection[str]) -> bool:
    """Scrub one file; returns whether it changed."""
    match path.suffix:
        case ".parquet":
            return _drop_rows(path, texts)
        case ".jsonl":
            kept = lines_without(path, texts)
            if kept is not None:
                write_text(path, kept)
            return kept is not None
        case ".json":
            return _drop_entries(path, texts)
    if not (_mentions(path.read_bytes(), texts) or any(path.name.startswith(text) for text in texts)):
        return False
    path.unlink()
    return True


def drop_mentions(path: Path, texts: Collection[str]) -> bool:
    """Drop the lines of a log that mention a text, in place for a writer at work; returns whether there were any."""
    with path.open("r+b") as file:
        lines = file.readlines()
        kept = [line for line in lines if not _mentions(line, texts)]
        if len(kept) < len(lines):
            file.seek(0)
            file.writelines(kept)
            file.truncate()
    return len(kept) < len(lines)


def lines_without(path: Path, texts: Collection[str]) -> str | None:
    """A file of JSON lines without those in which a value is one of the texts; None if there are none."""
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    kept = [line for line in lines if line.isspace() or (value := json.loads(line)) == pruned(value, texts)]
    return "".join(kept) if len(kept) < len(lines) else None


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


def _mentions(data: bytes, texts: Collection[str]) -> bool:
    """Whether bytes hold a text as it is, or as JSON or a page spells it."""
    return any(spelling in data for text in texts if len(text) >= _SHORTEST for spelling in _spellings(text))


def _spellings(text: str) -> Iterator[bytes]:
    yield text.encode("utf-8", "surrogateescape")
    yield json.dumps(text)[1:-1].encode()
    escaped = html.escape(text)
    yield escaped.encode("utf-8", "surrogateescape")
    yield (
        escaped.replace("&#x27;", "&#39;").replace("&quot;", "&#34;").encode("utf-8", "surrogateescape")
    )  # as Jinja does
