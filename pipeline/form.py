"""Settings as the fields of a form: JSON Schema for Airflow's `Param`, and the values back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from pipeline.settings import TrainSettings, assign, preset_names

_KEPT = (
    "type",
    "enum",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "pattern",
    "minLength",
    "maxLength",
    "items",
)


@dataclass(frozen=True)
class Field:
    """One field of a form.

    Attributes:
        name: the parameter; `group.field` for grouped settings.
        default: its value when nobody fills it in.
        schema: JSON Schema with what is allowed.
        description: what it does.
        section: the heading it stands under, if any.
    """

    name: str
    default: Any
    schema: dict[str, Any]
    description: str
    section: str | None = None


def training_fields(usual: Mapping[str, Any] | None = None) -> Iterator[Field]:
    """The form of a training: a preset, and every setting, empty to keep the preset's value; `usual` fills some."""
    filled, schema = filled_form(usual or {}), {"type": "string", "enum": preset_names()}
    yield Field("preset", filled["preset"], schema, "What the settings start from; fields left empty keep its values.")
    for group, info in TrainSettings.model_fields.items():
        assert isinstance(info.annotation, type)
        section = group.capitalize().replace("_", "-")
        for field in fields_of(info.annotation):
            name = f"{group}.{field.name}"
            yield Field(name, filled.get(name), _nullable(field.schema), field.description, section)


def training_values(form: Mapping[str, Any]) -> dict[str, Any]:
    """Nested values for `train_settings` from a filled form."""
    values: dict[str, Any] = {"preset": form["preset"]}
    for name, value in form.items():
        if name != "preset" and value is not None:
            assign(values, name, value)
    return values


def filled_form(values: Mapping[str, Any]) -> dict[str, Any]:
    """The form that gives these nested values: the inverse of `training_values`."""
    groups = {group: fields for group, fields in values.items() if group != "preset"}
    named = {f"{group}.{field}": value for group, fields in groups.items() for field, value in fields.items()}
    return {"preset": values.get("preset", "scenes"), **named}


def fields_of(model: type[BaseModel]) -> Iterator[Field]:
    """A field for each setting of one group, with its own default."""
    schema = model.model_json_schema()
    for name, described in schema["properties"].items():
        yield Field(name, described.get("default"), _allowed(described), described.get("description", ""))


def _allowed(described: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a property's schema that limits its value; a nullable one has the type null as well."""
    options = described.get("anyOf", [described])
    chosen = next(option for option in options if option.get("type") != "null")
    schema = {key: chosen[key] for key in _KEPT if key in chosen}
    return _nullable(schema) if len(options) > 1 else schema


def _nullable(schema: Mapping[str, Any]) -> dict[str, Any]:
    if isinstance(schema["type"], list):
        return dict(schema)
    nullable = {**schema, "type": ["null", schema["type"]]}
    return nullable | {"enum": [None, *schema["enum"]]} if "enum" in schema else nullable
