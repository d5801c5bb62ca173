"""Five differently worded captions of a scene; all name every object, its colour directly before its shape."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from pipeline.data.sources.scenes.world import Scene, SceneObject

WHERE = {
    "top left": "in the top left",
    "top": "at the top",
    "top right": "in the top right",
    "left": "on the left",
    "centre": "in the centre",
    "right": "on the right",
    "bottom left": "in the bottom left",
    "bottom": "at the bottom",
    "bottom right": "in the bottom right",
}
_COUNTS = ("no", "one", "two", "three")

Objects = Sequence[SceneObject]
Chance = np.random.Generator


def write_captions(scene: Scene, rng: Chance) -> tuple[str, ...]:
    """Five captions in an order of chance, lower case, without a full stop."""
    captions = [family(scene.objects, rng) for family in FAMILIES]
    return tuple(captions[index] for index in rng.permutation(len(captions)))


def relation(first: SceneObject, second: SceneObject) -> str:
    """Where `first` is, seen from `second`: `above`, `below`, `to the left of` or `to the right of`."""
    down, across = (there - here for here, there in zip(first.cell, second.cell, strict=True))
    if abs(across) > abs(down):
        return "to the left of" if across > 0 else "to the right of"
    return "above" if down > 0 else "below"


def listed(objects: Objects, rng: Chance) -> str:
    """What is there, and no more."""
    opening = ("a picture of", "this picture shows")[rng.integers(2)]
    return f"{opening} {_joined([_phrase(item.label) for item in objects])}"


def placed_phrase(objects: Objects, rng: Chance) -> str:
    """Where each object is."""
    return _joined([f"{_phrase(item.label)} {WHERE[item.place]}" for item in objects])


def related(objects: Objects, rng: Chance) -> str:
    """Where one object is, seen from the others; a lone one, in the image."""
    if len(objects) == 1:
        return f"{_phrase(objects[0].label)} is alone {WHERE[objects[0].place]}"
    subject, *others = objects if len(objects) == 3 or rng.random() < 0.7 else objects[::-1]
    seen_from = [f"{relation(subject, other)} {_phrase(other.label)}" for other in others]
    return f"{_phrase(subject.label)} is {_joined(seen_from)}"


def sized(objects: Objects, rng: Chance) -> str:
    """How large each object is."""
    first, *others = [_phrase(f"{item.size} {item.label}") for item in objects]
    place = f" {WHERE[objects[0].place]}" if not others else ""
    return f"there is {_joined([first, *others])}{place}"


def counted(objects: Objects, rng: Chance) -> str:
    """How many there are, and their stripes and dots."""
    noun = ("shape", "object")[rng.integers(2)] + ("s" if len(objects) > 1 else "")
    textured = [item.label if item.texture == "plain" else f"{item.texture} {item.label}" for item in objects]
    return f"{_COUNTS[len(objects)]} {noun}: {_joined([_phrase(words) for words in textured])}"


def _phrase(words: str) -> str:
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"


def _joined(parts: list[str]) -> str:
    *head, last = parts
    return f"{', '.join(head)} and {last}" if head else last


FAMILIES: tuple[Callable[[Objects, Chance], str], ...] = (listed, placed_phrase, related, sized, counted)
