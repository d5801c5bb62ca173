"""Holds a night back that is too odd to be published without a person's word."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pipeline.core.errors import NightHeld
from pipeline.core.reasons import WITHHELD
from pipeline.storage.files import write_json
from serving.monitoring.drift import setting_of
from serving.monitoring.statistics import Figures, figures_of
from serving.runs.plan_file import Plan
from serving.runs.settings import NightSettings

log = logging.getLogger(__name__)

QUARANTINE, DRIFT = "quarantine", "drift"


class Accepted(NamedTuple):
    """Which guards a person has overruled, by their names."""

    quarantine: bool = False
    drift: bool = False

    @classmethod
    def of(cls, settings: NightSettings) -> Accepted:
        """What some settings accept."""
        return cls(settings.accept_quarantine, settings.accept_drift)

    def __or__(self, other: tuple[Any, ...]) -> Accepted:
        """What either accepts."""
        return Accepted(*(mine or theirs for mine, theirs in zip(self, other, strict=True)))


def guard(plan: Plan, tally: Mapping[str, Any], files: Sequence[Path], accepted: Accepted) -> None:
    """Write `watch.json`, and `held.json` if the night is held back.

    Args:
        plan: of a run whose shards have finished.
        tally: its counts: captioned, quarantined, left and reasons.
        files: its parts.
        accepted: what a person has accepted beside the settings of the plan.

    Raises:
        NightHeld: too much is quarantined, or the night is too far from what the model was made for.
    """
    figures = figures_of(plan, tally, files)
    figures = figures.model_copy(update={"alarms": _alarms(plan, figures)})
    write_json(plan.statistics_file, figures.model_dump(mode="json"))
    accepted = accepted | Accepted.of(plan.settings)
    open_ones = {name: told for name, told in figures.alarms.items() if not getattr(accepted, name)}
    for name in figures.alarms.keys() - open_ones.keys():
        log.warning("night %s: %s; accepted", plan.night, figures.alarms[name])
    if open_ones:
        message = _message(plan, open_ones)
        plan.hold([*open_ones], message)
        raise NightHeld(message)


def _alarms(plan: Plan, figures: Figures) -> dict[str, str]:
    found = {QUARANTINE: _quarantine(plan.settings, figures), DRIFT: _drift(plan.settings, figures)}
    return {name: told for name, told in found.items() if told}


def _quarantine(settings: NightSettings, figures: Figures) -> str | None:
    bearable = max(settings.max_quarantine_share * figures.done, settings.quarantine_floor - 1)
    refused = figures.quarantined - figures.reasons.get(WITHHELD, 0)  # a doubtful caption is no bad image
    if refused <= bearable:
        return None
    reasons = ", ".join(f"{reason} {count}" for reason, count in figures.reasons.items())
    return (
        f"{refused} of {figures.done} images are quarantined ({reasons}), more than "
        f"max_quarantine_share={settings.max_quarantine_share:g}"
    )


def _drift(settings: NightSettings, figures: Figures) -> str | None:
    far = {name: drift for name, drift in figures.drifts.items() if drift.is_over}
    if figures.captioned < settings.drift_floor or not far:
        return None
    signs = ", ".join(f"{name} {drift.divergence:.2f} above {drift.limit:.2f}" for name, drift in far.items())
    limits = [f"{name}={getattr(settings, name):g}" for name in dict.fromkeys(map(setting_of, far))]
    return f"the night is unlike what the model was made for ({signs}; {' and '.join(limits)} beyond chance)"


def _message(plan: Plan, alarms: Mapping[str, str]) -> str:
    accepting = " and ".join(f"accept_{name}=true" for name in alarms)
    options = " ".join(f"--accept-{name}" for name in alarms)
    return (
        f"night {plan.night!r} is held back: {'; '.join(alarms.values())}. Look at {plan.input}; if that is how its "
        f"images are, publish what is captioned already with `nightcap night --night {plan.night} {options}`, or run "
        f"caption_nightly with held_night={plan.night} and {accepting}"
    )
