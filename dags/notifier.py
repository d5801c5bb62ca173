"""Notifies people and the Pushgateway of how runs ended; Airflow calls it where it reads DAG files, so it imports next to nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseNotifier

if TYPE_CHECKING:
    from airflow.sdk import Context


class NightFailed(BaseNotifier):
    """POSTs to `NIGHTCAP_WEBHOOK` which run failed where, and why it is held back if it is."""

    def notify(self, context: Context) -> None:
        """Post the run in Airflow's context."""
        from dags import credentials
        from pipeline.core.environment import Home
        from serving.monitoring.alerts import alert_of_run

        credentials.of_webhook()
        about: Any = context
        instance = about.get("ti")
        task = instance.task_id if instance else None
        alert_of_run(Home.from_environment(), about["run_id"], task, about.get("reason"))


class RunEnded(BaseNotifier):
    """Pushes to `NIGHTCAP_PUSHGATEWAY` when a DAG last succeeded or failed."""

    def __init__(self, dag_id: str, succeeded: bool) -> None:
        super().__init__()
        self.dag_id, self.succeeded = dag_id, succeeded

    def notify(self, context: Context) -> None:
        """Push that a run ended now."""
        from pipeline.core.environment import Home
        from serving.monitoring.push_runs import push_run_end

        push_run_end(Home.from_environment(), self.dag_id, self.succeeded)


class NightEnded(RunEnded):
    """The same of a night that the schedule began or that was held; what somebody else tries out makes no night good."""

    def notify(self, context: Context) -> None:
        """Push that a run ended now, if it is such a night."""
        about: Any = context
        run = about.get("dag_run")
        if run is None or run.run_type == "scheduled" or (run.conf or {}).get("held_night"):
            super().notify(context)


async def night_is_late(context: Mapping[str, Any]) -> None:
    """Notify `NIGHTCAP_WEBHOOK` of a run that has not succeeded in time; Airflow's triggerer calls it."""
    from asgiref.sync import sync_to_async

    from dags import credentials
    from pipeline.core.environment import Home
    from serving.monitoring.alerts import alert_of_late_run

    await sync_to_async(credentials.of_webhook)()  # Airflow's client waits for the loop that this came from
    run, due = context["dag_run"]["dag_run_id"], context["deadline"]["deadline_time"]
    await asyncio.to_thread(alert_of_late_run, Home.from_environment(), run, str(due))
