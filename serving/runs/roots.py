"""The folders that settings may name; as they come from a form, they must lie under the roots."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.core.environment import Home
from pipeline.storage.objects import require_inside

if TYPE_CHECKING:
    from pipeline.storage.tables import CaptionTable


def roots_of(home: Home) -> tuple[str, ...]:
    """Folders and prefixes that nights read under and write to."""
    return (str(home.root), *home.roots)


def table_of(home: Home, named: str | None) -> CaptionTable:
    """The table of captions that a setting names, by default the installation's own; it need not exist yet."""
    from pipeline.storage.tables import CaptionTable

    if named is not None:
        require_inside(named, (*roots_of(home), str(home.captions)))
    return CaptionTable(named or home.captions)
