"""Hold a night back whose quarantine or drift raises an alarm that nobody has accepted."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pipeline.core.errors import NightHeld
from pipeline.core.reasons import WITHHELD
from pipeline.storage.files import write_json
from serving.monitoring.drift import setting_of
from serving.monitoring.statistics import NightStatistics, statistics_of
from serving.runs.plan_file import Plan
from serving.runs.settings import NightSettings

log = logging.getLogger(__name__)

QUARANTINE, DRIFT = "quarantine", "drift"


class Accepted(NamedTuple):
    """Which alarms a person has accepted, by their guards."""

    quarantine: bool = False
    drift: bool = False

    @classmethod
    def of(cls, settings: NightSettings) -> Accepted:
        """The alarms that settings accept."""
        return cls(settings.accept_quarantine, settings.accept_drift)

    def __or__(self, other: tuple[Any, ...]) -> Accepted:
        """The alarms that either accepts."""
        return Accepted(*(mine or theirs for mine, theirs in zip(self, other, strict=True)))


def guard(plan: Plan, counts: Mapping[str, Any], files: Sequence[Path], accepted: Accepted) -> None:
    """Write `watch.json`; if the night is held back, write `held.json` and raise NightHeld.

    Args:
        plan: of a run whose shards have finished.
        counts: `captioned`, `quarantined`, `left` and `reasons`.
        files: its parts.
        accepted: by a person, beside the settings of the plan.
    """
    statistics = statistics_of(plan, counts, files)
    settings = plan.settings
    alarms = {QUARANTINE: _quarantine_alarm(settings, statistics), DRIFT: _drift_alarm(settings, statistics)}
    statistics = statistics.model_copy(update={"alarms": {name: alarm for name, alarm in alarms.items() if alarm}})
    write_json(plan.statistics_file, statistics.model_dump(mode="json"))
    accepted = accepted | Accepted.of(settings)
    not_accepted = {name: alarm for name, alarm in statistics.alarms.items() if not getattr(accepted, name)}
    for name in statistics.alarms.keys() - not_accepted.keys():
        log.warning("night %s: %s; accepted", plan.night, statistics.alarms[name])
    if not_accepted:
        message = _message(plan, not_accepted)
        plan.hold([*not_accepted], message)
        raise NightHeld(message)


def _quarantine_alarm(settings: NightSettings, statistics: NightStatistics) -> str | None:
    limit = max(settings.max_quarantine_share * statistics.done, settings.quarantine_floor - 1)
    refused = statistics.quarantined - statistics.reasons.get(WITHHELD, 0)  # a doubtful caption is no bad image
    if refused <= limit:
        return None
    reasons = ", ".join(f"{reason} {count}" for reason, count in statistics.reasons.items())
    return (
        f"{refused} of {statistics.done} images are quarantined ({reasons}), more than "
        f"max_quarantine_share={settings.max_quarantine_share:g}"
    )


def _drift_alarm(settings: NightSettings, statistics: NightStatistics) -> str | None:
    far = {name: drift for name, drift in statistics.drifts.items() if drift.exceeds_limit}
    if statistics.captioned < settings.drift_floor or not far:
        return None
    drifts = ", ".join(f"{name} {drift.divergence:.2f} above {drift.limit:.2f}" for name, drift in far.items())
    limits = [f"{name}={getattr(settings, name):g}" for name in dict.fromkeys(map(setting_of, far))]
    return f"the night is unlike what the model was made for ({drifts}; {' and '.join(limits)} beyond chance)"


def _message(plan: Plan, alarms: Mapping[str, str]) -> str:
    accepting = " and ".join(f"accept_{name}=true" for name in alarms)
    options = " ".join(f"--accept-{name}" for name in alarms)
    return (
        f"night {plan.night!r} is held back: {'; '.join(alarms.values())}. Look at {plan.input}; if that is how its "
        f"images are, publish what is captioned already with `nightcap night --night {plan.night} {options}`, or run "
        f"caption_nightly with held_night={plan.night} and {accepting}"
    )
