"""Paths that become part of a URI: of SQLite, MLflow, Delta Lake and files.

SQLAlchemy and MLflow read `%41` and `?` in a database's path as URIs do, Delta Lake reads `%41`, `[`, `]` and `\\`, and
`^` and `|` end it. They would then look elsewhere, or fail once a night's work is done, so such paths are refused before
it begins.
"""

from __future__ import annotations

import re

_MEANINGFUL = re.compile(r"[%?\[\]\\^|\x00-\x1f\x7f]")


def plain_path(path: str) -> str:
    """The path; ValueError names the first character that has a meaning of its own in a URI."""
    if found := _MEANINGFUL.search(path):
        raise ValueError(
            f"{path!r} has {found[0]!r}, which databases and tables cannot have in a path; rename its folder"
        )
    return path
