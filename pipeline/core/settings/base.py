"""What every group of settings has in common, and the marks that a setting carries."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import TypeVar

from pydantic import BaseModel, ConfigDict

Mark = TypeVar("Mark", "PathMark", "Effect")


class Group(BaseModel):
    """A group of settings; unknown names are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False)


@dataclass(frozen=True)
class PathMark:
    """A setting that holds a path.

    Attributes:
        file_relative: whether a relative path in a settings file is relative to that file.
        published: whether the model card shows the path's last name; else the card leaves the setting out.
        words: values that are no path.
    """

    file_relative: bool = True
    published: bool = False
    words: tuple[str, ...] = ()


class Effect(Enum):
    """The effect of a setting, or of all settings of a group, where it differs from that of the others."""

    NOT_ON_LEARNING = auto()
    NOT_ON_SHAPES = auto()  # of the decoder's weights
    ON_SNAPSHOT = auto()
    ON_SNAPSHOT_IF_SET = (
        auto()
    )  # in its digest only where it is not the default, as snapshots are older than the setting


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
