"""Draws docs/speed.svg, quality against images a second, from a table of docs/performance.md. Run by `make docs`."""

from __future__ import annotations

import math
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import NamedTuple

_DOCS = Path(__file__).parents[1] / "docs"
_SOURCE, _TARGET = _DOCS / "performance.md", _DOCS / "speed.svg"
_HEADING = "## Quality against speed"

# Lengths in pixels.
_WIDTH, _HEIGHT, _LEFT, _TOP, _RIGHT, _BELOW = 760, 380, 60, 24, 30, 84
_FASTEST, _BEST = 100.0, 70.0
_SLOWEST = 0.1
_STYLE = (
    'svg { font-family: "Noto Sans", "DejaVu Sans", Helvetica, Arial, sans-serif; font-size: 12px; background: #ffffff }'
    " text { fill: #1f2328 } .line { stroke: #d1d9e0 } .ours { fill: #0969da } .other { fill: #bc4c00 }"
)


class PlottedCaptioner(NamedTuple):
    """A row of the table."""

    name: str
    rate: float  # images a CPU-second
    quality: float | None  # CIDEr-D of Flickr8k's test images, times 100; None where it was not measured


def main() -> None:
    """Write the plot."""
    _TARGET.write_text(current_speed(), encoding="utf-8")


def current_speed() -> str:
    """The plot that belongs to the page as it is."""
    return "\n".join(_svg(plotted(_SOURCE.read_text(encoding="utf-8")))) + "\n"


def plotted(page: str) -> list[PlottedCaptioner]:
    """The rows of the page's table."""
    section = page.split(_HEADING, 1)[1].split("\n## ", 1)[0]
    rows = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("|")][2:]
    return [PlottedCaptioner(name.strip(), float(rate), _number(quality)) for name, rate, quality in rows]


def _number(cell: str) -> float | None:
    return float(cell) if cell.strip()[:1].isdigit() else None


def _svg(shown: list[PlottedCaptioner]) -> Iterator[str]:
    bottom = _HEIGHT - _BELOW
    yield f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img">'
    yield "<title>CIDEr-D of Flickr8k against images a CPU-second</title>"
    yield f"<style>{_STYLE}</style>"
    for quality in range(0, int(_BEST) + 1, 10):
        yield f'<path class="line" d="M{_LEFT} {_y(quality)}H{_WIDTH - _RIGHT}"/>'
        yield f'<text x="{_LEFT - 8}" y="{_y(quality) + 4}" text-anchor="end">{quality}</text>'
    for rate in (0.1, 1, 10, 100):
        yield f'<path class="line" d="M{_x(rate)} {_TOP}V{bottom}"/>'
        yield f'<text x="{_x(rate)}" y="{bottom + 18}" text-anchor="middle">{rate:g}</text>'
    yield f'<text x="{_LEFT}" y="14">CIDEr-D, times 100</text>'
    yield f'<text x="{_WIDTH - _RIGHT}" y="{bottom + 36}" text-anchor="end">images a CPU-second</text>'
    yield f'<text x="{_LEFT}" y="{_HEIGHT - 8}">Below the axis: quality on these images was not measured.</text>'
    for number, point in enumerate(shown):
        yield from _dot(point, number)
    yield "</svg>"


def _dot(point: PlottedCaptioner, number: int) -> Iterator[str]:
    x, is_measured = _x(point.rate), point.quality is not None
    y = _y(point.quality or 0.0) if is_measured else _y(0) + 46 - 18 * (number % 2)
    side = ("end", -9, 20 * (number % 2) - 6) if x > _WIDTH / 2 else ("start", 9, 4)
    kind = "ours" if is_measured else "other"
    yield f'<circle class="{kind}" cx="{x}" cy="{y}" r="5"/>'
    yield f'<text x="{x + side[1]}" y="{y + side[2]}" text-anchor="{side[0]}">{escape(point.name.replace("`", ""))}</text>'


def _x(rate: float) -> float:
    share = math.log(rate / _SLOWEST) / math.log(_FASTEST / _SLOWEST)
    return round(_LEFT + share * (_WIDTH - _LEFT - _RIGHT), 1)


def _y(quality: float) -> float:
    return round(_TOP + (1 - quality / _BEST) * (_HEIGHT - _TOP - _BELOW), 1)


if __name__ == "__main__":
    main()
