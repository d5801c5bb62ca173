"""tend_tables: once a week the tables of captions and corrections are brought up to date, compacted, and rid of what nobody needs."""

from __future__ import annotations

from airflow.sdk import dag, get_current_context, task

from dags.common import RETRIES, form, timetable
from dags.environment import UPKEEP_SCHEDULE
from pipeline.core.settings.form import fields_of
from serving.upkeep.tables import TendingSettings


@dag(
    schedule=timetable(UPKEEP_SCHEDULE),
    catchup=False,
    max_active_runs=1,
    params=form(fields_of(TendingSettings)),
    default_args=RETRIES,
    tags=["nightcap", "captions"],
    doc_md=__doc__,
)
def tend_tables() -> None:
    """Upgrade, compact, vacuum; nights may run meanwhile."""

    @task
    def upgrade() -> list[str]:
        from serving.upkeep.tables import Tending

        return Tending.of(dict(get_current_context()["params"])).upgrade()

    @task
    def compact() -> int:
        from serving.upkeep.tables import Tending

        return Tending.of(dict(get_current_context()["params"])).compact()

    @task
    def vacuum() -> dict[str, int]:
        from serving.upkeep.tables import Tending

        return Tending.of(dict(get_current_context()["params"])).vacuum()

    upgrade() >> compact() >> vacuum()


tend_tables()
