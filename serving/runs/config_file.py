"""Night settings from the file that the environment names."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from pipeline.core.settings.config_file import config_named
from pipeline.core.variables import Variable
from serving.runs.settings import NightSettings, night_settings

NIGHT_CONFIG = Variable(
    "NIGHTCAP_NIGHT_CONFIG",
    "An absolute path of a YAML file of night settings that fills the form of `caption_nightly`, and so every scheduled "
    "night's. With NIGHTCAP_PROMOTED_ONLY no task may be able to change it. Default: none.",
)


def night_config(environ: Mapping[str, str] = os.environ) -> dict[str, Any]:
    """The values of the file that `NIGHTCAP_NIGHT_CONFIG` names, as JSON has them."""
    values = config_named(NIGHT_CONFIG, NightSettings, night_settings, environ)
    return night_settings(values).model_dump(mode="json", include=set(values))
