"""Tell a webhook that a night failed, is held back or is late."""

from __future__ import annotations

import json
import logging
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from pipeline.core.environment import Home
from pipeline.core.errors import NightcapError, NightHeld, SettingsError
from pipeline.core.redaction import scrubbed
from serving.runs.lifecycle import planned_runs

log = logging.getLogger(__name__)

_TIMEOUT_S: Final = 10.0
_LONGEST: Final = 2000
NIGHT_HELD, NIGHT_FAILED, NIGHT_LATE = "night_held", "night_failed", "night_late"
RUNBOOK: Final = "docs/runbook.md"


def alert(home: Home, event: str, message: str, **about: str | None) -> None:
    """POST a small JSON object to the webhook, if there is one; what fails there is a warning.

    Its keys are `source`, `event` (`night_held`, `night_failed` or `night_late`), `text`, `runbook` (the section that says what to do),
    and what is known of `night`, `run`, `task` and `reason`.
    """
    if not home.webhook:
        return
    runbook = f"{RUNBOOK}#{event.replace('_', '')}"
    body: dict[str, Any] = {"source": "nightcap", "event": event, "text": message, "runbook": runbook} | about
    told = {key: scrubbed(value)[:_LONGEST] for key, value in body.items() if value is not None}
    try:
        _post(home.webhook, json.dumps(told).encode())
    except Exception as error:  # whatever it is, the failure itself must still be seen
        log.warning("the webhook was not told that %s: %s", told["text"], scrubbed(error).replace(home.webhook, "***"))


@contextmanager
def alerting(home: Home, night: str) -> Iterator[None]:
    """Around a night on the command line; a mistake in what was typed alerts nobody."""
    try:
        yield
    except SettingsError:
        raise
    except NightcapError as error:
        alert(home, NIGHT_HELD if isinstance(error, NightHeld) else NIGHT_FAILED, str(error), night=night)
        raise


def alert_of_run(home: Home, run: str, task: str | None, reason: str | None) -> None:
    """Tell of a failed run of `caption_nightly`, with why it is held back if it is."""
    for planned in planned_runs(home.store):
        night, name = planned.names
        if name == run and planned.hold_message is not None:
            alert(home, NIGHT_HELD, planned.hold_message, night=night, run=run, task=task)
            return
    where = f" at task {task}" if task else ""
    alert(
        home, NIGHT_FAILED, f"caption_nightly, run {run}, failed{where}; see its log", run=run, task=task, reason=reason
    )


def alert_of_late_run(home: Home, run: str, due: str) -> None:
    """Tell of a run of `caption_nightly` that has not succeeded by the moment when it should have."""
    alert(
        home, NIGHT_LATE, f"caption_nightly, run {run}, has not succeeded by {due}; see where it is in Airflow", run=run
    )


def _post(url: str, body: bytes) -> None:
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"}, method="POST")  # noqa: S310
    urllib.request.urlopen(request, timeout=_TIMEOUT_S).close()  # noqa: S310
