"""`--config` and `--set`: settings from a file and from the command line."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
import yaml

from pipeline.core.errors import SettingsError
from pipeline.core.redaction import masked
from pipeline.core.settings import TrainSettings, assign, train_settings, yaml_value
from pipeline.core.settings.config_file import resolve_training_path, training_config_file

if TYPE_CHECKING:
    from pipeline.core.environment import Home
    from serving.runs.settings import NightSettings

NightConfig = Annotated[
    Path | None, typer.Option("--config", help="A YAML file of night settings; the other options come before it.")
]
NightAssignments = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change one night setting, such as stop_at=05:30."),
]
NightModel = Annotated[
    str | None,
    typer.Option(
        help="models:/name@alias, models:/name/version or a bundle's folder; default models:/captioner@champion."
    ),
]


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
    values = {} if config is None else training_config_file(config)
    for assignment in assignments:
        key, text = _split(assignment, "training.epochs=3")
        if key == "preset":
            values["preset"] = text
        else:
            assign(values, key, resolve_training_path(Path.cwd(), key, _parsed(assignment, text)))
    return values


def night_settings_from(
    config: Path | None, assignments: list[str] | None, options: Mapping[str, Any], home: Home
) -> NightSettings:
    """Checked settings of a night: a file's, each `key=value` over it, and the command's own options over both.

    A replay of a night looks where that night did, unless another input is named. Paths become absolute as for a training.

    Args:
        config: the file.
        assignments: the texts `key=value`.
        options: settings by name; None and False where an option is not given.
        home: where the nights' files lie.

    Raises:
        SettingsError: the file or a value is wrong.
    """
    from serving.planning.replay import in_its_input
    from serving.runs import config_file as usual
    from serving.runs.settings import night_settings

    filed = {} if config is None else usual.night_config_file(config)
    values = dict(filed)
    for assignment in assignments or ():
        key, text = _split(assignment, "stop_at=05:30")
        values[key] = usual.resolve_night_path(Path.cwd(), key, _parsed(assignment, text))
    given = {name: value for name, value in options.items() if value is not None and value is not False}
    return in_its_input(night_settings(values | given), home, filed.get("input"))


def _split(assignment: str, example: str) -> tuple[str, str]:
    key, equals, text = assignment.partition("=")
    if not equals:
        raise SettingsError(f"--set {masked(assignment)!r} must be key=value, for example {example}")
    return key, text


def _parsed(assignment: str, text: str) -> Any:
    try:
        return yaml_value(text)
    except yaml.YAMLError as error:
        raise SettingsError(f"--set {masked(assignment)!r}: the value is no YAML scalar or list") from error
