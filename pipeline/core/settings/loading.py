"""Settings from presets, files and nested values, checked."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from pipeline.core.errors import SettingsError
from pipeline.core.redaction import masked
from pipeline.core.settings.base import Group
from pipeline.core.settings.training import TrainSettings
from pipeline.core.text_files import file_text

PRESETS = Path(__file__).parent / "presets"

Settings = TypeVar("Settings", bound=Group)


class _Yaml(yaml.SafeLoader):
    """YAML in which 23:30 and 2026-03-01 are text, not a number of minutes and a date."""

    def whole(self, node: yaml.ScalarNode) -> int | str:
        return self.text(node) if ":" in node.value else self.construct_yaml_int(node)

    def text(self, node: yaml.ScalarNode) -> str:
        return str(node.value)


_Yaml.add_constructor("tag:yaml.org,2002:int", _Yaml.whole)
_Yaml.add_constructor("tag:yaml.org,2002:timestamp", _Yaml.text)


def preset_names() -> list[str]:
    """Names of the built-in presets, sorted."""
    return sorted(path.stem for path in PRESETS.glob("*.yaml"))


def preset(name: str) -> dict[str, Any]:
    """The nested values of a built-in preset."""
    if name not in preset_names():
        raise SettingsError(f"unknown preset {name!r}; known presets: {', '.join(preset_names())}")
    return read_yaml(PRESETS / f"{name}.yaml")


def read_yaml(path: Path) -> dict[str, Any]:
    """A settings file as nested values; SettingsError if it is missing, is not YAML or is not a mapping."""
    try:
        values = yaml_value(file_text(path, "name a YAML file of settings")) or {}
    except yaml.YAMLError as error:
        raise SettingsError(f"cannot read settings file {path}: {' '.join(str(error).split())}") from error
    if not isinstance(values, dict):
        raise SettingsError(f"settings file {path} holds {type(values).__name__}, expected a mapping")
    return values


def yaml_value(text: str) -> Any:
    """The value that a text is in YAML; YAMLError if it is none."""
    return yaml.load(text, _Yaml)  # noqa: S506  a safe loader


def assign(values: dict[str, Any], dotted: str, value: Any) -> None:
    """Set `group.field` in nested values, in place."""
    group, _, field = dotted.partition(".")
    if not field:
        raise SettingsError(f"setting {dotted!r} must be group.field, for example training.epochs")
    if not isinstance(values.setdefault(group, {}), dict):
        raise SettingsError(f"settings group {group!r} is not a mapping")
    values[group][field] = value


def train_settings(values: dict[str, Any]) -> TrainSettings:
    """Checked settings from nested values; a `preset` key names what they start from."""
    values = dict(values)
    merged = preset(values.pop("preset", "scenes"))
    for group, fields in values.items():
        if not isinstance(fields, dict):
            raise SettingsError(f"settings group {group!r} is {fields!r}, expected a mapping")
        for field, value in fields.items():
            assign(merged, f"{group}.{field}", value)
    return checked(TrainSettings, merged)


def checked(kind: type[Settings], values: dict[str, Any]) -> Settings:
    """Nested values as settings of one kind; SettingsError names each wrong one, its value and what is allowed."""
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        raise SettingsError("; ".join(_complaint(kind, item) for item in error.errors())) from error


def _complaint(kind: type[Group], item: Any) -> str:
    name = ".".join(str(part) for part in item["loc"]) or "settings"
    if item["type"] == "extra_forbidden":
        return f"unknown setting {name}; known here: {', '.join(_known(kind, item['loc'][:-1]))}"
    message = item["msg"].removeprefix("Value error, ")
    given = "" if isinstance(item["input"], dict | BaseModel) else f" (given {masked(repr(item['input']))})"
    return f"{name}: {message}{given}"


def _known(kind: type[BaseModel], groups: tuple[str, ...]) -> list[str]:
    for group in groups:
        nested = kind.model_fields[group].annotation
        assert isinstance(nested, type)
        kind = nested
    return list(kind.model_fields)
