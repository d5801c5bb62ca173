"""Upkeep of the tables of captions and corrections and of the nights' files, as the command line and Airflow call it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import Field

from pipeline.core.environment import Home
from pipeline.core.settings import Group, checked
from serving.runs.roots import table_of

if TYPE_CHECKING:
    from pipeline.storage.tables import CaptionTable
    from pipeline.storage.tables.corrections import CorrectionTable


class TendingSettings(Group):
    """Everything `tend_tables` needs."""

    table: str | None = Field(
        None, description="Delta table of captions, a local path under a root; empty for NIGHTCAP_CAPTIONS."
    )
    keep_days: float = Field(
        7.0, ge=0, le=3650, description="Days that earlier versions and unpublished attempts stay; more than a night."
    )


@dataclass(frozen=True)
class Tending:
    """What can be done for a table, while nights go on.

    Attributes:
        settings: which table, and how much of its past stays.
        home: where the default table and the nights lie.
    """

    settings: TendingSettings
    home: Home

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Tending:
        """With the home that the environment names.

        Raises:
            SettingsError: naming each wrong setting, its value and what is allowed.
        """
        return cls(checked(TendingSettings, dict(values)), Home.from_environment())

    @property
    def corrections(self) -> CorrectionTable:
        """What people corrected, which need not exist yet."""
        from pipeline.storage.tables.corrections import CorrectionTable

        return CorrectionTable(self.home.store / "corrections")

    @property
    def table(self) -> CaptionTable:
        """The table, which need not exist yet; raises SettingsError if it lies outside the roots."""
        return table_of(self.home, self.settings.table)

    def upgrade(self) -> list[str]:
        """Add the columns that joined since the tables were made, and tell which."""
        from pipeline.storage.tables.maintenance import upgrade_table

        return upgrade_table(self.table)

    def compact(self) -> int:
        """Write the history and the corrections into few files, and tell how many fewer there are."""
        from pipeline.storage.tables.maintenance import compact_table

        return compact_table(self.table) + self.corrections.compact()

    def vacuum(self) -> dict[str, int]:
        """Remove what no version of the last days needs, and attempts that nobody will publish.

        Returns:
            Small JSON: `files` and `attempts`.
        """
        from pipeline.storage.tables.maintenance import vacuum_table
        from serving.runs.lifecycle import clear_attempts

        days = self.settings.keep_days
        files = vacuum_table(self.table, days) + self.corrections.vacuum(days)
        return {"files": files, "attempts": clear_attempts(self.home.store, days)}
