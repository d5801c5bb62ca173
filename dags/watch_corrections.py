"""watch_corrections: enough new corrections start a training, where NIGHTCAP_TRAIN_CONFIG says which."""

from __future__ import annotations

from typing import Any

from airflow.sdk import Metadata, dag, task
from airflow.sdk.exceptions import AirflowSkipException

from dags.common import CORRECTIONS, TRAINING_DAG, described, timetable
from dags.environment import CORRECTIONS_SCHEDULE
from pipeline.core.settings.config_file import TRAIN_CONFIG, training_config


@dag(
    schedule=timetable(CORRECTIONS_SCHEDULE) if TRAIN_CONFIG.read() else None,
    **described(__doc__),
    **TRAINING_DAG,
)
def watch_corrections() -> None:
    """What people corrected since the last training is counted; the asset tells `train_captioner`."""

    @task(outlets=[CORRECTIONS])
    def count() -> Any:
        from pipeline.core.environment import Home
        from pipeline.core.settings import train_settings
        from pipeline.data.corrections_due import new_corrections

        if not TRAIN_CONFIG.read():
            raise AirflowSkipException(f"no training is wanted; {TRAIN_CONFIG.name} names no settings")
        settings = train_settings(training_config())
        new, needed = new_corrections(settings, Home.from_environment()), settings.source.corrections_to_train
        if new < needed:
            raise AirflowSkipException(f"{new} new corrections since the last training; {needed} start the next")
        yield Metadata(CORRECTIONS, extra={"new": new})
        return new

    count()


watch_corrections()
