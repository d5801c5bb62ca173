"""`--config` and `--set`: settings from a file and from the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from pipeline.errors import SettingsError
from pipeline.secrets import masked
from pipeline.settings import TrainSettings, assign, read_yaml, train_settings

ANNOTATIONS = ("source.train_annotations", "source.val_annotations", "source.test_annotations")
PATHS = ("source.images", *ANNOTATIONS, "source.data_dir", "encoder.weights", "validation.waivers")


def settings_from(config: Path | None, assignments: list[str]) -> TrainSettings:
    """Checked settings of a file with each `key=value` over it.

    Raises:
        SettingsError: the file or a value is wrong.
    """
    return train_settings(values_from(config, assignments))


def values_from(config: Path | None, assignments: list[str]) -> dict[str, Any]:
    """Nested values of a file with each `key=value` over it; paths become absolute.

    Relative paths in a file are relative to it, those of a `key=value` to the working directory.

    Raises:
        SettingsError: the file cannot be read, or an assignment is malformed.
    """
    values = {} if config is None else _beside(config.absolute().parent, read_yaml(config))
    for assignment in assignments:
        key, equals, text = assignment.partition("=")
        if not equals:
            raise SettingsError(f"--set {masked(assignment)!r} must be key=value, for example training.epochs=3")
        if key == "preset":
            values["preset"] = text
        else:
            assign(values, key, _placed(Path.cwd(), key, _parsed(assignment, text)))
    return values


def _parsed(assignment: str, text: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise SettingsError(f"--set {masked(assignment)!r}: the value is no YAML scalar or list") from error


def _beside(folder: Path, values: dict[str, Any]) -> dict[str, Any]:
    return {
        group: {name: _placed(folder, f"{group}.{name}", value) for name, value in fields.items()}
        if isinstance(fields, dict)
        else fields
        for group, fields in values.items()
    }


def _placed(folder: Path, key: str, value: Any) -> Any:
    if key not in PATHS or not isinstance(value, str) or value == "imagenet" or value.startswith("s3://"):
        return value
    return str(folder / Path(value).expanduser())
