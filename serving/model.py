"""Which version a night captions with."""

from __future__ import annotations

import logging

from pipeline.captioner_types import PinnedModel
from pipeline.errors import RegistryUnavailable
from pipeline.home import Home
from serving.settings import NightSettings

log = logging.getLogger(__name__)


def pin_for_night(settings: NightSettings, home: Home) -> PinnedModel:
    """The version that `settings.model` stands for; by `registry_down` the last known one while MLflow is down.

    Raises:
        SettingsError: the model is named wrongly.
        ModelNotFound: there is no such version.
        BundleRejected: the version is not one that may caption.
        RegistryUnavailable: MLflow does not answer, and no other version may or can be taken.
    """
    from pipeline.captioner import pin, pin_last_known

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
