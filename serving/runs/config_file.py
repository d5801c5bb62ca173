"""Night settings from a file: those that nights have unless somebody says otherwise."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.core.settings import read_yaml, values_named
from pipeline.core.variables import Variable
from serving.runs.settings import night_settings

NIGHT_CONFIG = Variable(
    "NIGHTCAP_NIGHT_CONFIG",
    "An absolute path of a YAML file of night settings that fills the form of `caption_nightly`, and so every scheduled "
    "night's. Default: none.",
)

_PLACES = ("input", "manifest", "table", "model", "output")


def night_config(environ: Mapping[str, str] = os.environ) -> dict[str, Any]:
    """The values that `NIGHTCAP_NIGHT_CONFIG`'s file gives, as JSON has them.

    Raises:
        SettingsError: that file cannot be read, or has something wrong in it.
    """
    return values_named(NIGHT_CONFIG, environ, night_config_file, _as_json)


def night_config_file(path: Path) -> dict[str, Any]:
    """A file's values, not checked yet; relative paths in it are relative to it.

    Raises:
        SettingsError: it cannot be read, or is no mapping.
    """
    folder = path.absolute().parent
    return {name: resolve_night_path(folder, name, value) for name, value in read_yaml(path).items()}


def _as_json(values: dict[str, Any]) -> dict[str, Any]:
    settings = night_settings(values).model_dump(mode="json")
    return {name: settings[name] for name in values}


def resolve_night_path(folder: Path, name: str, value: Any) -> Any:
    """A setting's value; a path that is relative to a folder becomes absolute."""
    if name not in _PLACES or not isinstance(value, str) or not value or ":/" in value:
        return value
    return str(folder / Path(value).expanduser())
