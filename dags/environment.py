"""Variables of the environment that the DAG files read."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from zoneinfo import ZoneInfo

from airflow.sdk import CronTriggerTimetable
from croniter import croniter

from pipeline.core.variables import Variable
from serving.runs.clock import time_of_day


def _accepted_by(check: Callable[[str], object], remedy: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        try:
            check(text)
        except (KeyError, OSError, ValueError) as error:
            raise ValueError(remedy) from error
        return text

    return parse


def _hours(text: str) -> timedelta:
    try:
        return timedelta(hours=float(text))
    except (ValueError, OverflowError) as error:
        raise ValueError("no number of hours; give one such as 72") from error


_cron = _accepted_by(
    lambda text: croniter.expand(CronTriggerTimetable(text, timezone="UTC").expression),  # with Airflow's presets
    "no cron expression; give one such as 0 2 * * *",
)
_time_zone = _accepted_by(ZoneInfo, "no time zone; give one such as Europe/Paris")
_time_of_day = _accepted_by(time_of_day, "not a time of the day as HH:MM; give one such as 06:00")

SCHEDULE = Variable("NIGHTCAP_SCHEDULE", "When `caption_nightly` runs, as cron.", "0 2 * * *", _cron)
PUBLISHED_BY = Variable(
    "NIGHTCAP_PUBLISHED_BY",
    "Time of the day in `NIGHTCAP_TIMEZONE` by which a run of `caption_nightly` must have succeeded. Otherwise "
    "`NIGHTCAP_WEBHOOK` hears that the run is late; backfills do not count.",
    "06:00",
    _time_of_day,
)
UPKEEP_SCHEDULE = Variable("NIGHTCAP_UPKEEP_SCHEDULE", "When `tend_tables` runs, as cron.", "0 12 * * 0", _cron)
CORRECTIONS_SCHEDULE = Variable(
    "NIGHTCAP_CORRECTIONS_SCHEDULE", "When `watch_corrections` counts, as cron.", "0 18 * * *", _cron
)
TIMEZONE = Variable("NIGHTCAP_TIMEZONE", "The time zone of these schedules.", "UTC", _time_zone)
APPROVAL_HOURS = Variable(
    "NIGHTCAP_APPROVAL_HOURS",
    "How long `train_captioner` waits for a person's approval; silence is a refusal.",
    "72",
    _hours,
)
TRAINING_QUEUE = Variable(
    "NIGHTCAP_TRAINING_QUEUE", "The queue of Celery workers that train and promote. Default: Airflow's."
)
GPU_QUEUE = Variable("NIGHTCAP_GPU_QUEUE", "The queue of the tasks in pool `gpu`. Default: `NIGHTCAP_TRAINING_QUEUE`.")
TRAINING_POD = Variable(
    "NIGHTCAP_TRAINING_POD",
    "The pod template, as the scheduler's file system has it, of what trains and promotes on Kubernetes. Default: "
    "Airflow's.",
)
GPU_POD = Variable(
    "NIGHTCAP_GPU_POD", "The pod template of the tasks in pool `gpu` on Kubernetes. Default: `NIGHTCAP_TRAINING_POD`."
)
