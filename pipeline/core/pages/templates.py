"""Filling a template, with filters for numbers, shares and images, and the bars of a chart."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from pipeline.core.points import points

NOT_MEASURED = "not measured"


class Bar(NamedTuple):
    """A bar of a chart; heights are shares of the chart's highest."""

    height: float
    reference: float | None  # height of the line to compare the bar with
    label: str  # shown where a pointer rests on the bar


def bar_chart(values: Sequence[float], labels: Sequence[str], references: Sequence[float] | None = None) -> list[Bar]:
    """The bars of some values, each with a line at its reference."""
    highest = max(*values, *(references or ()), 1e-9)
    lines = [None] * len(values) if references is None else [value / highest for value in references]
    return [Bar(value / highest, line, label) for value, line, label in zip(values, lines, labels, strict=True)]


def render(template: Path, **values: Any) -> str:
    """A filled template; values are escaped in HTML, and a missing one is an error."""
    return _environment(template.parent).get_template(template.name).render(values)


def data_uri(data: bytes, kind: str = "jpeg") -> str:
    """An encoded image inside a page."""
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


@cache
def _environment(folder: Path) -> Environment:
    environment = Environment(
        loader=FileSystemLoader([folder, Path(__file__).parent]),
        autoescape=select_autoescape(),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "count": "{:,.0f}".format,
        "decimal": _decimal,
        "percent": _percent,
        "points": lambda score: NOT_MEASURED if score is None else points(score),
        "score": lambda value: f"{value:.2f}".replace("-", "\N{MINUS SIGN}"),
        "yaml": lambda values: yaml.safe_dump(values, sort_keys=True, allow_unicode=True),
    }
    return environment


def _decimal(value: float | None, digits: int = 3) -> str:
    return NOT_MEASURED if value is None else f"{value:.{digits}f}"


def _percent(share: float | None, digits: int = 1) -> str:
    return NOT_MEASURED if share is None else f"{share:.{digits}%}"
