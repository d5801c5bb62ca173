"""What captions of scenes name."""

from __future__ import annotations

import re
from typing import NamedTuple

from pipeline.data.sources.scenes.world import COLOURS, SHAPES, SIZES, TEXTURES

_WORDS = re.compile(r"\w+")
_BETWEEN = {*SIZES, *TEXTURES}
_SHAPE_OF = {plural: shape for shape in SHAPES for plural in (shape, f"{shape}s", f"{shape}es")}


class SceneMention(NamedTuple):
    """An object that a caption names."""

    colour: str
    shape: str  # in the singular
    places: tuple[int, int]  # of the colour and the shape among the caption's words, counted from 0

    @property
    def label(self) -> str:
        """What the object is called."""
        return f"{self.colour} {self.shape}"


def scene_mentions(caption: str) -> list[SceneMention]:
    """Every colour followed by a shape, with nothing but sizes and textures between, in order, repeats included."""
    mentions, colour, words = [], None, _WORDS.findall(caption.lower())
    for place, word in enumerate(words):
        if word in COLOURS:
            colour = place
        elif word not in _BETWEEN:
            if colour is not None and word in _SHAPE_OF:
                mentions.append(SceneMention(words[colour], _SHAPE_OF[word], (colour, place)))
            colour = None
    return mentions


def named_pairs(caption: str) -> list[tuple[str, str]]:
    """Colour and shape of every object a caption names; see `scene_mentions`."""
    return [(mention.colour, mention.shape) for mention in scene_mentions(caption)]
