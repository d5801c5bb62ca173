"""Globs over paths, as `.gitignore` has them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

_TOKENS = re.compile(r"\*+|\?|\[!?\]?[^]/]*\]|.", re.DOTALL)


def glob_pattern(globs: Iterable[str]) -> re.Pattern[str]:
    """What `fullmatch`es paths, relative and in NFC, that one of the globs names or that lie below such a folder.

    A glob without a slash names a file or folder at any depth, one with a slash a path from the top. `*` and `?` stay
    in one part, `**` is any number of parts, `[a-z]` one letter. Raises ValueError for an empty or malformed one.
    """
    return re.compile("|".join(f"(?:{_expression(glob)})" for glob in globs) or r"(?!)", re.DOTALL)


def _expression(glob: str) -> str:
    parts = [part for part in unicodedata.normalize("NFC", glob).split("/") if part not in {"", "."}]
    if not parts:
        raise ValueError(f"{glob!r} names nothing; write a glob such as *_small.jpg or private/**")
    if len(parts) == 1 and not glob.startswith("/"):
        parts.insert(0, "**")
    pieces = ["(?:[^/]+/)*" if part == "**" else f"{_part(part)}/" for part in parts[:-1]]
    pieces.append(".+" if parts[-1] == "**" else f"{_part(parts[-1])}(?:/.*)?")
    expression = "".join(pieces)
    try:
        re.compile(expression)
    except re.error as error:
        raise ValueError(f"{glob!r} is no glob: {error}") from error
    return expression


def _part(part: str) -> str:
    return "".join(_letters(given) for given in _TOKENS.findall(part))


def _letters(given: str) -> str:
    if given.startswith("*"):
        return "[^/]*"
    if given == "?":
        return "[^/]"
    if given.startswith("[") and given.endswith("]") and len(given) > 2:
        body = given[1:-1].replace("\\", r"\\").replace("[", r"\[")
        body = "^/" + body[1:] if body.startswith("!") else body.replace("^", r"\^")
        return f"[{body.replace(']', chr(92) + ']')}]"
    return re.escape(given)
