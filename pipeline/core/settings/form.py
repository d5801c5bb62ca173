"""Settings as the fields of a form: JSON Schema for Airflow's `Param`, and the values back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from pipeline.core.settings import Group, TrainSettings, assign, preset, preset_names

_BOUNDS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "minLength", "maxLength")
_KEPT = ("type", "enum", "pattern", "items", *_BOUNDS)

EMPTY_FIELD = "empty"
"""The field that names settings which are to be empty: an empty field of their own keeps the preset's value."""

FIRST: Final = ("source.images", "source.train_annotations", "training.epochs", "gate.approval")
"""The settings that most trainings change; a form has them before its sections, after the preset."""

_EMPTIED = "Settings that are to be empty though the preset fills them, such as training.clip_norm for any norm."
_AS_PRESET = "as the preset"
_AS_USUAL = "as usual"
_EMPTY = "empty"
_LONGEST_SHOWN = 30


@dataclass(frozen=True)
class Field:
    """One field of a form."""

    name: str  # `group.field` for grouped settings
    default: Any
    schema: dict[str, Any]  # JSON Schema of the values that are allowed
    description: str
    section: str | None = None  # the heading that it stands under


def training_fields(usual: Mapping[str, Any] | None = None) -> Iterator[Field]:
    """The form of a training: a preset, and every setting, empty to keep the preset's value; `usual` fills some.

    What most people change comes first, without a section.
    """
    filled, schema = filled_form(usual or {}), {"type": "string", "enum": preset_names()}
    grouped = list(_grouped())
    yield Field("preset", filled["preset"], schema, "What the settings start from; fields left empty keep its values.")
    names = [name for name, field, _ in grouped if _may_be_empty(field)]
    presets = {each: preset(each) for each in preset_names()}
    fields = {
        name: Field(
            name,
            filled.get(name),
            _nullable(field.schema, _AS_PRESET),
            f"{field.description}{_in_presets(name, field.default, presets)}",
            section,
        )
        for name, field, section in grouped
    }
    yield from (replace(fields.pop(name), section=None) for name in FIRST)
    yield from fields.values()
    # Airflow offers the examples to choose from.
    some = {
        "type": ["null", "array"],
        "items": {"type": "string", "enum": names},
        "examples": names,
        "title": "settings to be empty",
    }
    yield Field(EMPTY_FIELD, filled[EMPTY_FIELD], some, _EMPTIED, "Emptied settings")


def training_values(form: Mapping[str, Any]) -> dict[str, Any]:
    """Nested values for `train_settings` from a filled form."""
    values: dict[str, Any] = {"preset": form["preset"]}
    given = {name: value for name, value in form.items() if value is not None}
    settings = {name: value for name, value in given.items() if name not in ("preset", EMPTY_FIELD)}
    for name, value in (dict.fromkeys(form.get(EMPTY_FIELD) or ()) | settings).items():
        assign(values, name, value)
    return values


def filled_form(values: Mapping[str, Any]) -> dict[str, Any]:
    """The form that gives these nested values: the inverse of `training_values`."""
    groups = {group: fields for group, fields in values.items() if group != "preset"}
    named = {f"{group}.{field}": value for group, fields in groups.items() for field, value in fields.items()}
    emptied = [name for name, value in named.items() if value is None]
    return {"preset": values.get("preset", "scenes"), EMPTY_FIELD: emptied or None, **named}


def fields_of(model: type[Group], usual: Mapping[str, Any] | None = None) -> Iterator[Field]:
    """A field for each setting of one group, with its own default or the `usual` one, section by section."""
    properties, usual = model.model_json_schema()["properties"], usual or {}
    section_of = {name: section or None for section, names in model.sections.items() for name in names}
    for name in dict.fromkeys([*section_of, *properties]):
        described = properties[name]
        default = usual.get(name, described.get("default"))
        yield Field(name, default, _allowed(described), described.get("description", ""), section_of.get(name))


def optional(field: Field) -> Field:
    """The field where nobody must fill it, for Airflow, which marks one that may not be null as required."""
    return replace(field, schema=_nullable(field.schema, _AS_USUAL))


def with_defaults(fields: Iterable[Field], form: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a form whose fields are all `optional`: a field that may not be empty has its default where it is.

    Values of other names stay, for the settings to refuse.
    """
    emptied = (field for field in fields if form.get(field.name) is None and not _may_be_empty(field))
    return {**form, **{field.name: field.default for field in emptied}}


def _in_presets(name: str, default: Any, presets: Mapping[str, Mapping[str, Any]]) -> str:
    """A sentence that tells a setting's value in each preset, after a blank; no text if one is long or all are empty."""
    group, _, field = name.partition(".")
    values = {each: _shown(of.get(group, {}).get(field, default)) for each, of in presets.items()}
    if max(map(len, values.values())) > _LONGEST_SHOWN or set(values.values()) == {_EMPTY}:
        return ""
    if len(set(values.values())) == 1:
        return f" Presets: {next(iter(values.values()))}."
    return f" Presets: {', '.join(f'{each} {value}' for each, value in values.items())}."


def _shown(value: Any) -> str:
    return _EMPTY if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _grouped() -> Iterator[tuple[str, Field, str]]:
    """Every setting of a training: its full name, its field and its section."""
    for group, info in TrainSettings.model_fields.items():
        assert isinstance(info.annotation, type) and issubclass(info.annotation, Group)
        for field in fields_of(info.annotation):
            yield f"{group}.{field.name}", field, group.capitalize().replace("_", "-")


def _allowed(described: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a property's schema that limits its value; a nullable one has the type null as well."""
    options = described.get("anyOf", [described])
    chosen = next(option for option in options if option.get("type") != "null")
    schema = {key: chosen[key] for key in _KEPT if key in chosen}
    return _nullable(schema, "none") if len(options) > 1 else schema


def _may_be_empty(field: Field) -> bool:
    return "null" in field.schema["type"]


def _nullable(schema: Mapping[str, Any], empty: str) -> dict[str, Any]:
    """A schema that allows null, which a list to choose from shows in words."""
    if isinstance(schema["type"], list):
        return dict(schema)
    nullable = {**schema, "type": ["null", schema["type"]]}
    if "enum" not in schema:
        return nullable
    return nullable | {"enum": [None, *schema["enum"]], "values_display": {"null": empty}}
