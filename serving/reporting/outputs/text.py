"""Captions as alt texts and as cells of a spreadsheet."""

from __future__ import annotations

# Excel, LibreOffice and Google Sheets take a cell that begins so for a formula, the last four after trimming it.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\N{FULLWIDTH EQUALS SIGN}", "\N{FULLWIDTH PLUS SIGN}",
            "\N{FULLWIDTH HYPHEN-MINUS}", "\N{FULLWIDTH COMMERCIAL AT}")  # fmt: skip


def shorten(caption: str, most: int | None) -> str:
    """A caption of at most so many characters, an ellipsis included, cut after a whole word if that leaves any."""
    if most is None or len(caption) <= most:
        return caption
    head = caption[:most]  # its last character makes room for the ellipsis
    cut = head.rpartition(" ")[0].rstrip(" ,;:.-") or head[:-1]
    return f"{cut}\N{HORIZONTAL ELLIPSIS}"


def cell(text: str) -> str:
    """A text that no spreadsheet takes for a formula: an apostrophe is put before one."""
    return f"'{text}" if text.lstrip(" ").startswith(_FORMULA) else text
