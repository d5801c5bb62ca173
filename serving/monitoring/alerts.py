"""Alert a webhook that a night failed, is held back or is late, and that a training on the command line failed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

from pipeline.core.environment import Home
from pipeline.core.errors import NightcapError, NightHeld, SettingsError
from pipeline.core.redaction import scrubbed
from serving.monitoring.delivery import post_json, warn_undelivered
from serving.runs.lifecycle import planned_runs

_MAX_CHARACTERS: Final = 2000
NIGHT_HELD, NIGHT_FAILED, NIGHT_LATE = "night_held", "night_failed", "night_late"
TRAINING_FAILED: Final = "training_failed"
RUNBOOK: Final = "docs/runbook.md"


def alert(home: Home, event: str, message: str, **about: str | None) -> None:
    """POST a small JSON object to the webhook, if there is one; an error is a warning.

    Its keys are `source`, `event` (`night_held`, `night_failed`, `night_late` or `training_failed`), `text`, `runbook` (the section that
    says what to do), and, as far as they are given, `night`, `run`, `task` and `reason`.
    """
    if not home.webhook:
        return
    runbook = f"{RUNBOOK}#{event.replace('_', '')}"
    body = {"source": "nightcap", "event": event, "text": message, "runbook": runbook} | about
    clean = {key: scrubbed(value)[:_MAX_CHARACTERS] for key, value in body.items() if value is not None}
    with warn_undelivered("the webhook", f"the alert {clean['text']!r}", {"NIGHTCAP_WEBHOOK": home.webhook}):
        post_json(home.webhook, clean)


@contextmanager
def alerting(home: Home, night: str | None = None, event: str = NIGHT_FAILED) -> Iterator[dict[str, str | None]]:
    """Alert of any error of a night or training on the command line; yields what else is told, such as `night`.

    Who ends the process by a key or a signal is told nothing, nor is whoever mistyped an option.
    """
    about = {"night": night}
    try:
        yield about
    except NightHeld as error:
        alert(home, NIGHT_HELD, str(error), **about)
        raise
    except NightcapError as error:
        alert(home, event, str(error), **about)
        raise
    except Exception as error:
        unforeseen = (
            f"{type(error).__name__}: {error}; this was not foreseen: see what the command wrote, and run it again"
        )
        alert(home, event, unforeseen, **about)
        raise


def home_to_alert() -> Home:
    """The home of the environment; where a variable is wrong, one that has at least the environment's webhook."""
    webhook = os.environ.get("NIGHTCAP_WEBHOOK", "")
    for environ in (os.environ, {"NIGHTCAP_HOME": "/", "NIGHTCAP_WEBHOOK": webhook}):
        with suppress(SettingsError):
            return Home.from_environment(environ)
    return Home.from_environment({"NIGHTCAP_HOME": "/"})


def alert_of_run(home: Home, run: str, task: str | None, reason: str | None) -> None:
    """Alert that a run of `caption_nightly` failed, or that its night is held back and why."""
    for planned in planned_runs(home.store):
        night, name = planned.names
        if name == run and planned.hold_message is not None:
            alert(home, NIGHT_HELD, planned.hold_message, night=night, run=run, task=task)
            return
    message = f"caption_nightly, run {run}, failed{f' at task {task}' if task else ''}; see its log"
    alert(home, NIGHT_FAILED, message, run=run, task=task, reason=reason)


def alert_of_late_run(home: Home, run: str, due: str) -> None:
    """Alert that a run of `caption_nightly` has not succeeded by the moment when it was due."""
    message = f"caption_nightly, run {run}, has not succeeded by {due}; see where it is in Airflow"
    alert(home, NIGHT_LATE, message, run=run)
