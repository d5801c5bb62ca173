"""What can be in a scene, and how one is chosen."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np

from pipeline.data.sources.base import Split

RGB = tuple[int, int, int]

COLOURS: dict[str, RGB] = {
    "red": (214, 30, 36),
    "orange": (248, 132, 16),
    "yellow": (250, 226, 36),
    "green": (34, 164, 62),
    "blue": (34, 84, 226),
    "purple": (134, 42, 186),
    "pink": (252, 140, 196),
    "cyan": (0, 206, 216),
    "white": (250, 250, 250),
}
SHAPES = ("circle", "square", "triangle", "star", "cross", "diamond", "heart")
TEXTURES = ("plain", "striped", "dotted")
SIZES = {"small": (0.19, 0.22), "large": (0.28, 0.32)}  # width as a share of the image's side
PLACES = (
    "top left", "top", "top right",
    "left", "centre", "right",
    "bottom left", "bottom", "bottom right",
)  # fmt: skip
BACKGROUNDS = ("plain", "gradient", "clouds", "speckle")
TONES: tuple[RGB, ...] = (  # dull and of middling lightness, so that every colour stands out
    (72, 76, 84), (98, 98, 98), (122, 112, 98), (84, 98, 114), (100, 114, 94), (124, 102, 102), (136, 134, 128),
)  # fmt: skip

UNSEEN_SHARE = 0.4  # with those that fall by chance, about half of the val and test images hold an unseen object


@dataclass(frozen=True)
class SceneObject:
    """One coloured shape; `box` is left, top, width, height in whole pixels."""

    colour: str
    shape: str
    size: str
    texture: str
    place: str
    box: tuple[int, int, int, int]

    @property
    def label(self) -> str:
        """What it is called: colour and shape."""
        return f"{self.colour} {self.shape}"

    @property
    def cell(self) -> tuple[int, int]:
        """Row and column of its place, each 0 to 2."""
        return divmod(PLACES.index(self.place), 3)


@dataclass(frozen=True)
class Background:
    """What is behind the objects; `seed` fixes its texture."""

    kind: str
    tones: tuple[RGB, RGB]
    seed: int


@dataclass(frozen=True)
class Scene:
    """An image before it is drawn: one to three objects in reading order, no two alike, none overlapping."""

    side: int
    background: Background
    objects: tuple[SceneObject, ...]


def is_unseen(colour: str, shape: str, place: str) -> bool:
    """Whether training never shows this colour and shape at this place: one place for each coloured shape.

    Training still shows each colour with each shape, each colour at each place and each shape at each place.
    """
    step = 2 * list(COLOURS).index(colour) + SHAPES.index(shape)
    return step % len(PLACES) == PLACES.index(place)


def sample_scene(rng: np.random.Generator, split: Split, side: int) -> Scene:
    """Choose a scene; `side` is in pixels. Training scenes hold no unseen combination."""
    places = [PLACES[index] for index in rng.permutation(len(PLACES))[: rng.integers(1, 4)]]
    show_unseen = split != "train" and rng.random() < UNSEEN_SHARE
    taken: list[tuple[str, str]] = []
    objects = []
    for place in places:
        wanted = {False} if split == "train" else {True} if show_unseen and not taken else {True, False}
        pairs = [pair for pair in product(COLOURS, SHAPES) if is_unseen(*pair, place) in wanted and pair not in taken]
        taken.append(pairs[rng.integers(len(pairs))])
        objects.append(_placed(rng, *taken[-1], place, side))
    objects.sort(key=lambda item: item.cell)
    return Scene(side, _background(rng), tuple(objects))


def _placed(rng: np.random.Generator, colour: str, shape: str, place: str, side: int) -> SceneObject:
    size = _one_of(rng, tuple(SIZES))
    width = round(rng.uniform(*SIZES[size]) * side)
    row, column = divmod(PLACES.index(place), 3)
    left, top = _start(rng, column, width, side), _start(rng, row, width, side)
    return SceneObject(colour, shape, size, _one_of(rng, TEXTURES), place, (left, top, width, width))


def _start(rng: np.random.Generator, index: int, width: int, side: int) -> int:
    """Where an object begins along one axis, so that it stays inside its third of the image."""
    first, last = -(-index * side // 3), (index + 1) * side // 3 - width
    return int(rng.integers(first, last + 1))


def _background(rng: np.random.Generator) -> Background:
    first, second = (TONES[index] for index in rng.permutation(len(TONES))[:2])
    return Background(_one_of(rng, BACKGROUNDS), (first, second), int(rng.integers(2**32)))


def _one_of(rng: np.random.Generator, names: tuple[str, ...]) -> str:
    return names[rng.integers(len(names))]
