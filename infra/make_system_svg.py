"""Draws docs/system.svg from docs/system.txt. Run by `make docs`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

_DOCS = Path(__file__).parents[1] / "docs"
_SOURCE, _TARGET = _DOCS / "system.txt", _DOCS / "system.svg"

# Lengths in pixels.
_BOX, _HEIGHT, _GAP = 172, 78, 30
_MARGIN, _PADDING, _TITLE, _BETWEEN = 26, 16, 30, 44
_BAND = _TITLE + _HEIGHT + _PADDING

_STYLE = """
svg { font-family: -apple-system, "Segoe UI", "Noto Sans", "DejaVu Sans", Helvetica, Arial, sans-serif; font-size: 12px }
.band { fill: #f6f8fa; stroke: #d1d9e0 }
.box { fill: #ffffff; stroke: #59636e }
.store { fill: #ddf4ff; stroke: #0969da }
.arrow { fill: none; stroke: #59636e; stroke-width: 1.5 }
.head { fill: #59636e }
text { fill: #59636e }
.title, .heading { fill: #1f2328; font-weight: 600; font-size: 13px }
@media (prefers-color-scheme: dark) {
  .band { fill: #151b23; stroke: #3d444d }
  .box { fill: #0d1117; stroke: #9198a1 }
  .store { fill: #121d2f; stroke: #4493f8 }
  .arrow { stroke: #9198a1 }
  .head, text { fill: #9198a1 }
  .title, .heading { fill: #f0f6fc }
}
"""


@dataclass(frozen=True)
class Box:
    """A box of a band; x and y are its upper left corner."""

    heading: str
    lines: list[str]
    store: bool
    band: int
    x: int
    y: int


@dataclass
class Drawing:
    """The parsed source: titles of bands, boxes by name, and arrows."""

    bands: list[str] = field(default_factory=list)
    boxes: dict[str, Box] = field(default_factory=dict)
    arrows: list[tuple[str, str, str]] = field(default_factory=list)


def main() -> None:
    """Write the drawing."""
    _TARGET.write_text(current(), encoding="utf-8")


def current() -> str:
    """The drawing that belongs to the source as it is."""
    return "\n".join(svg(parse(_SOURCE.read_text(encoding="utf-8")))) + "\n"


def parse(source: str) -> Drawing:
    """Read the source; a line that is none of band, box and arrow ends the program."""
    drawing = Drawing()
    for line in source.splitlines():
        kind, _, rest = line.partition(" ")
        if kind == "band":
            drawing.bands.append(rest)
        elif kind == "box":
            names, heading, *lines = _parts(rest)
            name, *store = names.split()
            band = len(drawing.bands) - 1
            column = sum(box.band == band for box in drawing.boxes.values())
            x = _MARGIN + _PADDING + column * (_BOX + _GAP)
            drawing.boxes[name] = Box(heading, lines, bool(store), band, x, _top(band) + _TITLE)
        elif kind == "arrow":
            ends, label = (*_parts(rest), "")[:2]
            start, end = ends.split(" -> ")
            drawing.arrows.append((start, end, label))
        elif line and kind != "#":
            sys.exit(f"{_SOURCE}: {line!r} is no band, box or arrow")
    return drawing


def svg(drawing: Drawing) -> Iterator[str]:
    """The lines of the SVG file."""
    columns = max(sum(box.band == band for box in drawing.boxes.values()) for band in range(len(drawing.bands)))
    inner = columns * _BOX + (columns - 1) * _GAP + 2 * _PADDING
    width, height = inner + 2 * _MARGIN, _top(len(drawing.bands))
    yield f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img">'
    yield f"<title>{escape('; '.join(drawing.bands))}</title>"
    yield f"<style>{_STYLE}</style>"
    for band, title in enumerate(drawing.bands):
        yield f'<rect class="band" x="{_MARGIN}" y="{_top(band)}" width="{inner}" height="{_BAND}" rx="8"/>'
        yield _text("title", _MARGIN + _PADDING, _top(band) + 20, title)
    for box in drawing.boxes.values():
        yield from _draw(box)
    for start, end, label in drawing.arrows:
        yield from _arrow(drawing.boxes[start], drawing.boxes[end], label, height)
    yield "</svg>"


def _parts(text: str) -> list[str]:
    return [part.strip() for part in text.split("|")]


def _top(band: int) -> int:
    return 4 + band * (_BAND + _BETWEEN)


def _text(style: str, x: int, y: int, text: str, anchor: str = "start") -> str:
    return f'<text class="{style}" x="{x}" y="{y}" text-anchor="{anchor}">{escape(text)}</text>'


def _draw(box: Box) -> Iterator[str]:
    style, middle = "store" if box.store else "box", box.x + _BOX // 2
    yield f'<rect class="{style}" x="{box.x}" y="{box.y}" width="{_BOX}" height="{_HEIGHT}" rx="6"/>'
    yield _text("heading", middle, box.y + 24, box.heading, "middle")
    for number, line in enumerate(box.lines):
        yield _text("line", middle, box.y + 44 + 17 * number, line, "middle")


def _arrow(start: Box, end: Box, label: str, height: int) -> Iterator[str]:
    """From a box to its right neighbour, down to a later band, or around the left edge up to an earlier one."""
    middle, bottom = start.x + _BOX // 2, start.y + _HEIGHT
    if start.band == end.band:
        yield from _line(f"M{start.x + _BOX} {start.y + _HEIGHT // 2}H{end.x - 2}", end.x, end.y + _HEIGHT // 2)
    elif start.band < end.band:
        lane, target = _top(end.band) - _BETWEEN // 2, end.x + _BOX // 2
        yield from _line(f"M{middle} {bottom}V{lane}H{target}V{end.y - 2}", target, end.y, down=True)
        yield _text("line", (middle + target) // 2, lane - 6, label, "middle")
    else:
        lane = height - _BETWEEN // 2
        side = end.y + _HEIGHT // 2
        yield from _line(f"M{middle} {bottom}V{lane}H{_MARGIN // 2}V{side}H{end.x - 2}", end.x, side)
        yield _text("line", (middle + _MARGIN) // 2, lane - 6, label, "middle")


def _line(path: str, x: int, y: int, down: bool = False) -> Iterator[str]:
    yield f'<path class="arrow" d="{path}"/>'
    head = f"M{x} {y}l-5 -9h10z" if down else f"M{x} {y}l-9 -5v10z"
    yield f'<path class="head" d="{head}"/>'


if __name__ == "__main__":
    main()
