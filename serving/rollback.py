"""Back to an earlier version, and which nights used the one that is given up."""

from __future__ import annotations

import logging
from typing import Any

from pipeline.home import Home
from pipeline.promotion import Promotions
from pipeline.table import CaptionTable
from pipeline.table.usage import nights_of

log = logging.getLogger(__name__)


def roll_back(
    home: Home, name: str, version: str | None, who: str, why: str = "", table: str | None = None
) -> dict[str, Any]:
    """Make an earlier version the champion again; raises as `Promotions.rollback`.

    Args:
        home: where the journal and the registry are.
        name: the model.
        version: its number; None for the one before.
        who: a person or an Airflow run.
        why: in their words.
        table: of captions; None for the default one.

    Returns:
        Small JSON: `version`, the champion now; `entry`, its number in the journal, None if it was the champion
        already; `given_up`, the version before; `nights` that used that one, with how many captions.
    """
    entry = Promotions(home).rollback(name, version, who, why)
    given_up = entry.origin if entry else None
    nights = nights_of(CaptionTable(table or home.captions), name, given_up) if given_up else {}
    log.info("rollback: %s version %s; nights of version %s: %s", name, entry and entry.target, given_up, nights)
    return {
        "version": entry.target if entry else version,
        "entry": entry.number if entry else None,
        "given_up": given_up,
        "nights": nights,
    }
