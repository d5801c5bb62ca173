"""Records as lines of JSON and of CSV, and the place of one in a file."""

from __future__ import annotations

import json
from typing import Any, Final, Literal

from pipeline.core.spreadsheet import BOM, csv_line

Record = dict[str, Any]
Ending = Literal["jsonl", "csv"]

RECORD_COLUMNS: Final = [
    *("image", "status", "caption", "alternatives", "score", "confidence", "reason", "flags"),
    *("source", "model_name", "model_version", "night"),
]
HEADS: Final[dict[Ending, bytes]] = {"jsonl": b"", "csv": (BOM + csv_line(RECORD_COLUMNS)).encode()}


def line_of(record: Record, ending: Ending) -> bytes:
    """A record as a line of a file with an ending."""
    if ending == "jsonl":
        return json.dumps(record, ensure_ascii=False).encode() + b"\n"
    return csv_line(_cell(record[name]) for name in RECORD_COLUMNS).encode()


def with_record(content: bytes, record: Record, ending: Ending) -> bytes | None:
    """A file's content with a record in place of that of the same image; None if it has none, or other columns."""
    if not content.startswith(HEADS[ending]) or (place := _place(content, record["image"], ending)) is None:
        return None
    start, end = place
    return content[:start] + line_of(record, ending) + content[end:]


def _place(content: bytes, image: str, ending: Ending) -> tuple[int, int] | None:
    """Where an image's line begins and ends. A field of CSV may hold what looks like a line: its quotes are open there."""
    begins = _beginning(image, ending)
    start = 0 if content.startswith(begins) else content.find(b"\n" + begins) + 1
    while start or content.startswith(begins):
        if ending == "jsonl" or content.count(b'"', 0, start) % 2 == 0:
            end = content.find(b"\n", start) + 1
            while end and ending == "csv" and content.count(b'"', start, end) % 2:
                end = content.find(b"\n", end) + 1
            return (start, end) if end else None
        start = content.find(b"\n" + begins, start) + 1
    return None


def _beginning(image: str, ending: Ending) -> bytes:
    """How the line of an image begins, up to its second field."""
    if ending == "jsonl":
        return json.dumps({"image": image}, ensure_ascii=False).encode().removesuffix(b"}") + b", "
    return csv_line([image]).encode().removesuffix(b"\r\n") + b","


def _cell(value: Any) -> str | float | None:
    """A list with bars between its items; the rest as it is."""
    return " | ".join(value) if isinstance(value, list) else value
