"""Roll back to an earlier version, and list the nights that used the version that is given up."""

from __future__ import annotations

import logging
from typing import Any

from pydantic import Field

from pipeline.core.environment import Home
from pipeline.core.settings import Group, checked
from serving.runs.roots import table_of

log = logging.getLogger(__name__)


class RollbackSettings(Group):
    """What `rollback_captioner` needs."""

    version: str | None = Field(
        None, pattern=r"^\d{1,9}$", description="Number of the version to go back to; empty for the one before."
    )
    why: str | None = Field(None, max_length=500, description="A word for the promotion journal.")
    model_name: str = Field("captioner", pattern=r"^[A-Za-z0-9_-]{1,64}$", description="Registered model's name.")
    table: str | None = Field(
        None, description="Delta table of captions, a local path under a root; empty for NIGHTCAP_CAPTIONS."
    )


def roll_back(home: Home, settings: RollbackSettings, who: str, once: bool = False) -> dict[str, Any]:
    """Make an earlier version the champion again, for a person or an Airflow run; as `Promotions.rollback`.

    Returns:
        Small JSON: `version`, the champion now; `entry`, its number in the journal, None if it was the champion
        already; `given_up`, the version before; `nights` that used the version before, with their captions' number.
    """
    from pipeline.registry.promotions import Promotions
    from pipeline.storage.tables.usage import nights_of

    name, version, table = settings.model_name, settings.version, table_of(home, settings.table)
    entry = Promotions(home).rollback(name, version, who, settings.why or "", once)
    given_up = entry.origin if entry else None
    nights = nights_of(table, name, given_up) if given_up else {}
    log.info("rollback: %s version %s; nights of version %s: %s", name, entry and entry.target, given_up, nights)
    return {
        "version": entry.target if entry else version,
        "entry": entry.number if entry else None,
        "given_up": given_up,
        "nights": nights,
    }


def rollback_settings(values: dict[str, Any]) -> RollbackSettings:
    """Checked settings; SettingsError names each wrong one."""
    return checked(RollbackSettings, values)
