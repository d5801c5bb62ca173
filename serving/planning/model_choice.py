"""Which version a night captions with."""

from __future__ import annotations

import logging

from pipeline.core.environment import Home
from pipeline.core.errors import RegistryUnavailable
from pipeline.model.interface import Captioner, PinnedModel
from serving.runs.settings import NightSettings

log = logging.getLogger(__name__)


def pin_for_night(settings: NightSettings, home: Home) -> PinnedModel:
    """The version that `settings.model` names; while MLflow is down, `registry_down` may allow the last known one."""
    pinned = _pinned(settings, home)
    check_for_night(home, pinned)
    return pinned


def load_for_night(home: Home, pinned: PinnedModel) -> Captioner:
    """The captioner of a plan's version, if it still may caption."""
    from pipeline.registry.loading import load_pinned

    check_for_night(home, pinned)
    return load_pinned(home, pinned)


def check_for_night(home: Home, pinned: PinnedModel) -> None:
    """Raise SettingsError for a version that nights may not caption with, and for one under a number of another.

    Whoever may run a night must not caption with a version that the gate or a person has refused, nor run others' code.
    """
    from pipeline.registry.loading import require_authorised

    if home.promoted_only or pinned.is_external:
        require_authorised(home, pinned)


def _pinned(settings: NightSettings, home: Home) -> PinnedModel:
    from pipeline.registry.loading import pin, pin_last_known

    try:
        return pin(home, settings.model)
    except RegistryUnavailable as down:
        if settings.registry_down == "fail":
            raise RegistryUnavailable(f"{down}; nothing is planned, as registry_down is fail") from down
        try:
            pinned = pin_last_known(home, settings.model)
        except RegistryUnavailable as unknown:
            raise RegistryUnavailable(f"{down}; nothing is planned, as {unknown}") from down
        log.warning("%s; the night is planned with version %s, the last known one", down, pinned.version)
        return pinned
