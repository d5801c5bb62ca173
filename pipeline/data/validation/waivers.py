"""Waivers: quarantined rows that a person has read and accepts."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from pipeline.core.errors import SettingsError
from pipeline.core.reasons import WAIVABLE
from pipeline.core.text_files import file_text

# The image's SHA-256, or the caption; the image; the reason. It holds for these very bytes or words and reason only.
Waiver = tuple[str, str, str]
_COLUMNS = {"kind", "image", "sha256", "caption", "reason"}


def read_waivers(path: Path | None) -> frozenset[Waiver]:
    """The waivers in a file of lines as `nightcap quarantine` writes them; none without a file."""
    if path is None:
        return frozenset()
    needs = "validation.waivers needs lines as nightcap quarantine writes them"
    try:
        lines = file_text(path, needs).split("\n")
        return frozenset(_waiver(json.loads(line), f"{path}:{at}") for at, line in enumerate(lines, 1) if line.strip())
    except json.JSONDecodeError as error:
        raise SettingsError(
            f"validation.waivers: cannot read {path}: {error}; give lines as nightcap quarantine writes them"
        ) from error


def waived(rows: pd.DataFrame, kind: str, reasons: Iterable[str], waivers: frozenset[Waiver]) -> list[bool]:
    """Whether each row (image, and sha256 or caption) is accepted in spite of its reason."""
    content = rows["caption" if kind == "caption" else "sha256"]
    return [waiver in waivers for waiver in zip(content, rows["image"], reasons, strict=True)]


def _waiver(row: object, where: str) -> Waiver:
    if not isinstance(row, dict) or not row.keys() >= _COLUMNS:
        raise SettingsError(f"validation.waivers: {where} lacks one of {', '.join(sorted(_COLUMNS))}")
    if row["reason"] not in WAIVABLE:
        raise SettingsError(
            f"validation.waivers: {where} waives {row['reason']!r}; these may be: {', '.join(sorted(WAIVABLE))}"
        )
    content = row["caption"] if row["kind"] == "caption" else row["sha256"]
    return str(content), str(row["image"]), str(row["reason"])
