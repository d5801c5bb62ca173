"""Upkeep of the tables of captions, corrections and reviews, and of the nights' files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import Field

from pipeline.core.environment import Home
from pipeline.core.settings import Group, checked
from serving.runs.lifecycle import clear_attempts
from serving.runs.places import Places
from serving.runs.roots import table_of

if TYPE_CHECKING:
    from pipeline.storage.tables import CaptionTable
    from pipeline.storage.tables.corrections import CorrectionTable
    from pipeline.storage.tables.people_table import PeopleTable
    from pipeline.storage.tables.repair import Repaired


class TendingSettings(Group):
    """Everything `tend_tables` needs."""

    table: str | None = Field(
        None, description="Delta table of captions, a local path under a root; empty for NIGHTCAP_CAPTIONS."
    )
    keep_days: float = Field(
        7.0,
        ge=0,
        le=3650,
        description="Days that earlier versions and unpublished attempts stay; more than a night. Attempts of the last day, "
        "and held nights of the last week, stay in any case; in Airflow versions of the last day, too.",
    )


@dataclass(frozen=True)
class Tending:
    """Upkeep of the tables of a home, while nights go on."""

    settings: TendingSettings
    home: Home

    @classmethod
    def of(cls, values: Mapping[str, Any], least_days: float = 0) -> Tending:
        """With checked settings, but for fewer days than some, and the home that the environment names."""
        settings = checked(TendingSettings, dict(values))
        kept = settings.model_copy(update={"keep_days": max(settings.keep_days, least_days)})
        return cls(kept, Home.from_environment())

    @property
    def corrections(self) -> CorrectionTable:
        """The table of corrections, which need not exist yet."""
        from pipeline.storage.tables.corrections import CorrectionTable

        return CorrectionTable.of(self.home.store)

    @property
    def said_by_people(self) -> tuple[PeopleTable, ...]:
        """The tables of what people said, which need not exist yet."""
        from pipeline.storage.tables.reviews import said_by_people

        return said_by_people(self.home.store)

    @property
    def table(self) -> CaptionTable:
        """The table, which need not exist yet; raises SettingsError if it lies outside the roots."""
        return table_of(self.home, self.settings.table)

    @property
    def present_table(self) -> CaptionTable:
        """The table; raises ObjectUnavailable if it held rows and is not there."""
        return Places.of(self.home).require_table(self.table)

    def upgrade(self) -> list[str]:
        """Add the columns that are new since the tables were made; returns their names."""
        from pipeline.storage.tables.maintenance import upgrade_table

        return upgrade_table(self.present_table)

    def compact(self) -> int:
        """Write the history into few files; returns how many fewer they are."""
        from pipeline.storage.tables.maintenance import compact_table

        return compact_table(self.present_table)

    def repair(self) -> Repaired:
        """Leave out what is damaged of the history, and make the current table fit; returns what was done."""
        from pipeline.storage.tables.repair import repair_table

        return repair_table(self.table)

    def repair_corrections(self, named: str | None = None) -> Repaired:
        """Leave out what is damaged of the home's corrections, or of other ones, and take in those of its captions."""
        from pipeline.storage.tables.corrections import CorrectionTable
        from pipeline.storage.tables.repair import repair_corrections
        from serving.upkeep.correct import correcting_alone

        with correcting_alone(self.home):
            return repair_corrections(CorrectionTable(named) if named else self.corrections, self.table)

    def repair_reviews(self) -> dict[str, Repaired]:
        """Leave out what is damaged of what else people said; what was done, by table."""
        from pipeline.storage.tables.repair import repair_people_table

        return {each.uri: repair_people_table(each) for each in self.said_by_people if each.folder != "corrections"}

    def vacuum(self) -> dict[str, int]:
        """Remove files that no version of the last days needs, and abandoned attempts; returns how many of each."""
        from pipeline.storage.tables.maintenance import vacuum_table

        days = self.settings.keep_days
        return {"files": vacuum_table(self.present_table, days), "attempts": clear_attempts(self.home.store, days)}

    def tend_corrections(self) -> dict[str, int]:
        """Compact and vacuum what people said; returns how many files fewer, and how many were removed."""
        days, tables = self.settings.keep_days, self.said_by_people
        return {"fewer": sum(each.compact() for each in tables), "files": sum(each.vacuum(days) for each in tables)}
