"""Airflow with a CeleryExecutor, two workers, PostgreSQL and Redis, as plain processes."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from dataclasses import dataclass, field

import psutil

from nightcap.local.processes import Service
from nightcap.local.processes import stop as stop_services
from nightcap.local.stack import LocalStack

WORKERS = ("one", "two")


@dataclass
class ScaledOut(LocalStack):
    """A stack whose tasks run on Celery workers, one task at a time each.

    Attributes:
        database: address of an empty database.
        broker: address of a Redis.
        workers: by name.
    """

    database: str = ""
    broker: str = ""
    workers: dict[str, Service] = field(default_factory=dict)

    def start(self):
        super().start()
        options = ["--concurrency", "1", "--skip-serve-logs", "--without-mingle", "--without-gossip"]
        for name in WORKERS:
            self._serve(f"worker-{name}", ["celery", "worker", "--celery-hostname", name, *options], self.environment)
            self.workers[name] = self._services.pop()  # it may end without the stack's end

    def stop(self):
        stop_services(list(self.workers.values()))
        super().stop()

    def _environment(self):
        settings = {
            "CELERY__BROKER_URL": self.broker,
            "CELERY__RESULT_BACKEND": f"db+{self.database}",
            "CORE__EXECUTOR": "CeleryExecutor",
            "DATABASE__SQL_ALCHEMY_CONN": self.database,
            # A worker that is gone is missed after half a minute, not after five.
            "SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "30",
            "SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "5",
        }
        self.environment = super()._environment() | {f"AIRFLOW__{key}": value for key, value in settings.items()}
        return self.environment

    def kill_worker_of(self, pid):
        """Kill, as when a machine dies, the whole worker that a process belongs to."""
        worker = os.getsid(pid)
        assert worker in {service._process.pid for service in self.workers.values()}
        for process in psutil.process_iter():
            with suppress(OSError, psutil.Error):
                if os.getsid(process.pid) == worker:
                    os.kill(process.pid, signal.SIGKILL)
