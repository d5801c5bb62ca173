"""`--config` and `--set`: settings from a file and from the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from pipeline.errors import SettingsError
from pipeline.settings import TrainSettings, assign, read_yaml, train_settings

PATHS = ("images", "train_annotations", "val_annotations", "test_annotations", "data_dir")


def settings_from(config: Path | None, assignments: list[str]) -> TrainSettings:
    """Checked settings of a file with each `key=value` over it.

    Raises:
        SettingsError: the file or a value is wrong.
    """
    return train_settings(values_from(config, assignments))


def values_from(config: Path | None, assignments: list[str]) -> dict[str, Any]:
    """Nested values of a file with each `key=value` over it; relative paths in a file are relative to it.

    Raises:
        SettingsError: the file cannot be read, or an assignment is malformed.
    """
    values = {} if config is None else _beside(config, read_yaml(config))
    for assignment in assignments:
        key, equals, text = assignment.partition("=")
        if not equals:
            raise SettingsError(f"--set {assignment!r} must be key=value, for example training.epochs=3")
        if key == "preset":
            values["preset"] = text
        else:
            assign(values, key, _parsed(assignment, text))
    return values


def _parsed(assignment: str, text: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise SettingsError(f"--set {assignment!r}: the value is no YAML scalar or list") from error


def _beside(config: Path, values: dict[str, Any]) -> dict[str, Any]:
    source = values.get("source")
    if isinstance(source, dict):
        folder = config.resolve().parent
        placed = {key: str(folder / value) for key, value in source.items() if key in PATHS and isinstance(value, str)}
        return {**values, "source": {**source, **placed}}
    return values
