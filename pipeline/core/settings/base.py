"""What every group of settings has in common, and the marks that a setting carries."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Annotated, Any, ClassVar, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, WithJsonSchema, model_validator

from pipeline.core.redaction import PATTERN, masked

log = logging.getLogger(__name__)

Mark = TypeVar("Mark", "PathMark", "Effect")


def _without_secrets(text: str) -> str:
    if masked(text) != text:
        raise ValueError(
            "holds a name, password or signature, which would be kept with the model; "
            "leave it to the environment (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, a profile)"
        )
    return text


# A path or an address in settings; Airflow's form refuses a secret before it keeps it.
Address = Annotated[str, AfterValidator(_without_secrets), WithJsonSchema({"type": "string", "pattern": PATTERN})]


class Group(BaseModel):
    """A group of settings; unknown names are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False)

    sections: ClassVar[Mapping[str, tuple[str, ...]]] = {}  # of a form, in order; "" has no heading and is the first
    constants: ClassVar[Mapping[str, float]] = {}  # former settings; a value for one is ignored for this release

    @model_validator(mode="before")
    @classmethod
    def _without_constants(cls, values: Any) -> Any:
        given = [name for name in cls.constants if isinstance(values, dict) and name in values]
        for name in given:
            log.warning("%s is no setting any more, but always %g; leave it out", name, cls.constants[name])
        return {name: value for name, value in values.items() if name not in given} if given else values


@dataclass(frozen=True)
class PathMark:
    """A setting that holds a path."""

    file_relative: bool = True  # in a settings file, relative to that file
    published: bool = False  # the model card shows the path's last name; else it leaves the setting out
    words: tuple[str, ...] = ()  # values that are no path


class Effect(Enum):
    """The effect of a setting, or of all settings of a group, where it differs from that of the others."""

    NOT_ON_LEARNING = auto()
    NOT_ON_SHAPES = auto()  # of the decoder's weights
    ON_SNAPSHOT = auto()
    # In the snapshot's digest only where it is not the default, as snapshots are older than the setting.
    ON_SNAPSHOT_IF_SET = auto()


def marks_of(kind: type[BaseModel], mark: type[Mark]) -> dict[str, Mark]:
    """The marks of one type by setting: `name`, or `group.name` where settings are grouped."""
    found: dict[str, Mark] = {}
    for name, info in kind.model_fields.items():
        own = next((each for each in info.metadata if isinstance(each, mark)), None)
        if isinstance(info.annotation, type) and issubclass(info.annotation, Group):
            inner = info.annotation
            marks = dict.fromkeys(inner.model_fields, own) if own else marks_of(inner, mark)
            found |= {f"{name}.{field}": each for field, each in marks.items()}
        elif own:
            found[name] = own
    return found


def settings_with(effect: Effect, kind: type[BaseModel]) -> set[str]:
    """The settings that have an effect, by the names of `marks_of`."""
    return {name for name, each in marks_of(kind, Effect).items() if each is effect}
