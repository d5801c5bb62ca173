"""Whether captions of scenes are true."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from pipeline.sources.base import LabelledBox
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


def truth_rate(captions: Mapping[str, str], objects: Mapping[str, Sequence[LabelledBox]]) -> dict[str, float]:
    """How far captions tell the truth about the objects of their pictures.

    Args:
        captions: caption by image.
        objects: what is truly in each of these images; labels are colour and shape, such as `red circle`.

    Returns:
        Fractions in 0..1: `pair_precision`, the share of named pairs that are in the picture; `pair_recall`, the
        share of objects that are named; `captions_naming_a_pair`. Each is 0 where there is nothing to count.
    """
    named = {image: [" ".join(pair) for pair in named_pairs(caption)] for image, caption in captions.items()}
    present = {image: {item.label for item in objects[image]} for image in captions}
    right = sum(label in present[image] for image, labels in named.items() for label in labels)
    found = sum(len(present[image].intersection(labels)) for image, labels in named.items())
    return {
        "pair_precision": _share(right, sum(map(len, named.values()))),
        "pair_recall": _share(found, sum(map(len, present.values()))),
        "captions_naming_a_pair": _share(sum(map(bool, named.values())), len(named)),
    }


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
