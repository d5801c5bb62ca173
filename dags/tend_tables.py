"""tend_tables: once a week the tables of captions and corrections are brought up to date, compacted, and rid of what nobody needs."""

from __future__ import annotations

from typing import Any

from airflow.sdk import dag, get_current_context, task

from dags.common import NIGHT_DAG, TRAINING_ARGS, described, form, timetable
from dags.environment import UPKEEP_SCHEDULE
from pipeline.core.settings.form import fields_of, optional, with_defaults
from serving.upkeep.tables import TendingSettings

_FIELDS = tuple(fields_of(TendingSettings))


def _tending() -> Any:
    from serving.upkeep.tables import Tending

    values = with_defaults(_FIELDS, get_current_context()["params"])
    return Tending.of(values, least_days=1)  # whoever fills a form may stop no reader


@dag(schedule=timetable(UPKEEP_SCHEDULE), params=form(map(optional, _FIELDS)), **described(__doc__), **NIGHT_DAG)
def tend_tables() -> None:
    """Upgrade, compact, vacuum; nights may run meanwhile. Corrections are training's, which alone may write them."""

    @task
    def upgrade() -> list[str]:
        return _tending().upgrade()

    @task
    def compact() -> int:
        return _tending().compact()

    @task
    def vacuum() -> dict[str, int]:
        return _tending().vacuum()

    @task(**TRAINING_ARGS)
    def tend_corrections() -> dict[str, int]:
        return _tending().tend_corrections()

    upgrade() >> compact() >> vacuum()
    tend_corrections()


tend_tables()
