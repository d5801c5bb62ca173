"""Which version a night captions with."""

from __future__ import annotations

import logging

from pipeline.core.environment import Home
from pipeline.core.errors import RegistryUnavailable, SettingsError
from pipeline.model.interface import PinnedModel
from serving.runs.settings import NightSettings

log = logging.getLogger(__name__)


def pin_for_night(settings: NightSettings, home: Home) -> PinnedModel:
    """The version that `settings.model` names; while MLflow is down, `registry_down` may allow the last known one."""
    pinned = _pinned(settings, home)
    if home.promoted_only and not pinned.is_external:  # an external one was named by who may change models
        _require_promoted(home, pinned)
    return pinned


def _require_promoted(home: Home, pinned: PinnedModel) -> None:
    """Whoever may run a night must not caption with a version that the gate or a person has refused."""
    from pipeline.registry.journal import Journal

    wanted, entries = (pinned.version, pinned.digest), Journal.of(home).entries(pinned.name)
    if not any((entry.target, entry.digest) == wanted for entry in entries):
        raise SettingsError(
            f"{pinned.uri} has never been promoted, and NIGHTCAP_PROMOTED_ONLY lets nights caption with no other; promote "
            "it, or leave the model as it is by default"
        )


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
