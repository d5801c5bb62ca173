"""By when a night must be published: by a time of the day, whenever it began."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from airflow.sdk.definitions.deadline import BaseDeadlineReference

from serving.runs.clock import next_time

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


class PublishedBy(BaseDeadlineReference):
    """The next such time after the moment from which a run may begin; none for a backfill, for which nobody waits.

    Airflow finds this class by `dags/plugins`, which must be Airflow's folder of plugins. The clock is HH:MM in the zone.
    """

    required_kwargs = {"dag_id", "run_id"}  # noqa: RUF012  what Airflow looks for

    def __init__(self, clock: str = "06:00", zone: str = "UTC") -> None:
        self.clock, self.zone = clock, zone

    def serialize_reference(self) -> dict[str, Any]:
        """The JSON that Airflow keeps."""
        return {**super().serialize_reference(), "clock": self.clock, "zone": self.zone}

    @classmethod
    def deserialize_reference(cls, reference_data: dict[str, Any]) -> PublishedBy:
        """The inverse of `serialize_reference`."""
        return cls(reference_data["clock"], reference_data["zone"])

    def _evaluate_with(self, *, session: Session, dag_id: str, run_id: str) -> datetime | None:
        from airflow.models import DagRun
        from sqlalchemy import select

        run = session.scalar(select(DagRun).where(DagRun.dag_id == dag_id, DagRun.run_id == run_id))
        return self.of_run(run.run_type, run.run_after) if run else None

    def of_run(self, kind: str, run_after: datetime) -> datetime | None:
        """From which moment on a run of a kind, such as "backfill", is late; `run_after` is aware."""
        return None if kind == "backfill" else next_time(self.clock, run_after.astimezone(ZoneInfo(self.zone)))
