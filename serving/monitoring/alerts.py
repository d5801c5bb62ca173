"""Alert a webhook that a night failed, is held back or is late."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from pipeline.core.environment import Home
from pipeline.core.errors import NightcapError, NightHeld, SettingsError
from pipeline.core.redaction import scrubbed
from serving.monitoring.delivery import post_json, warn_undelivered
from serving.runs.lifecycle import planned_runs

_MAX_CHARACTERS: Final = 2000
NIGHT_HELD, NIGHT_FAILED, NIGHT_LATE = "night_held", "night_failed", "night_late"
RUNBOOK: Final = "docs/runbook.md"


def alert(home: Home, event: str, message: str, **about: str | None) -> None:
    """POST a small JSON object to the webhook, if there is one; an error is a warning.

    Its keys are `source`, `event` (`night_held`, `night_failed` or `night_late`), `text`, `runbook` (the section that
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
def alerting(home: Home, night: str) -> Iterator[None]:
    """Alert of the errors of a night on the command line, except of settings."""
    try:
        yield
    except SettingsError:
        raise
    except NightcapError as error:
        alert(home, NIGHT_HELD if isinstance(error, NightHeld) else NIGHT_FAILED, str(error), night=night)
        raise


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
