"""What captions of scenes name."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pipeline.sources.scenes.world import COLOURS, SHAPES, SIZES, TEXTURES

_WORDS = re.compile(r"\w+")
_BETWEEN = {*SIZES, *TEXTURES}
_SHAPE_OF = {plural: shape for shape in SHAPES for plural in (shape, f"{shape}s", f"{shape}es")}


def named_pairs(caption: str) -> list[tuple[str, str]]:
    """Colour and shape of every object a caption names, in its order, repeats included.

    A pair is a colour followed by a shape, with nothing but sizes and textures between them; a colour or a
    shape that stands alone names none.
    """
    return list(_pairs(_WORDS.findall(caption.lower())))


def _pairs(words: list[str]) -> Iterator[tuple[str, str]]:
    colour: str | None = None
    for word in words:
        if word in COLOURS:
            colour = word
        elif word not in _BETWEEN:
            if colour and word in _SHAPE_OF:
                yield colour, _SHAPE_OF[word]
            colour = None
