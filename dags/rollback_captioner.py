"""rollback_captioner: an earlier version captions again, from the next night on."""

from __future__ import annotations

from typing import Any

from airflow.sdk import Metadata, dag, get_current_context, task
from airflow.sdk.exceptions import AirflowSkipException

from dags.common import CAPTIONER, TRAINING_DAG, described, form
from pipeline.core.settings.form import fields_of, optional, with_defaults
from serving.upkeep.rollback import RollbackSettings

_FIELDS = tuple(fields_of(RollbackSettings))


@dag(schedule=None, params=form(map(optional, _FIELDS)), **described(__doc__), **TRAINING_DAG)
def rollback_captioner() -> None:
    """One entry in the promotion journal, and which nights used the version that is given up."""

    @task(outlets=[CAPTIONER])
    def rollback() -> Any:
        from pipeline.core.environment import Home
        from serving.upkeep.rollback import roll_back, rollback_settings

        context = get_current_context()
        settings, who = (
            rollback_settings(with_defaults(_FIELDS, context["params"])),
            f"{context['dag'].dag_id} {context['run_id']}",
        )
        done = roll_back(Home.from_environment(), settings, who, once=True)
        if done["entry"] is None:
            raise AirflowSkipException(f"version {done['version']} is the champion already")
        yield Metadata(CAPTIONER, extra={"version": done["version"]})
        return done

    rollback()


rollback_captioner()
