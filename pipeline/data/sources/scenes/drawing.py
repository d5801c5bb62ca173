"""Drawing scenes with Pillow."""

from __future__ import annotations

import io
import math
from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageDraw

from pipeline.data.sources.scenes.world import COLOURS, Background, Scene

OVERSAMPLING = 4  # shapes are drawn so many times larger, then averaged, for smooth edges
SHADE = 0.42  # stripes and dots are the object's colour, so much darker
REPEATS = {"small": 3, "large": 4}  # stripes or dots along an object's side

Point = tuple[float, float]


def draw_scene(scene: Scene) -> Image.Image:
    """The scene's image, RGB, `scene.side` pixels square, always the same for the same scene."""
    image = Image.fromarray(_background(scene.background, scene.side))
    for item in scene.objects:
        left, top, width, height = item.box
        shape = _shape_mask(item.shape, width, height)
        image.paste(COLOURS[item.colour], (left, top), shape.reduce(OVERSAMPLING))
        if item.texture != "plain":
            mask = ImageChops.multiply(shape, _texture_mask(item.texture, REPEATS[item.size], width, height))
            shade = tuple(round(SHADE * channel) for channel in COLOURS[item.colour])
            image.paste(shade, (left, top), mask.reduce(OVERSAMPLING))
    return image


def encode(image: Image.Image) -> bytes:
    """The image as PNG."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=3)
    return buffer.getvalue()


def _background(background: Background, side: int) -> NDArray[np.uint8]:
    """Pixels [side, side, 3] between the background's two tones."""
    rng = np.random.default_rng(background.seed)
    first, second = (np.array(tone, np.float32) for tone in background.tones)
    blend = _blend(background.kind, rng, side)[..., None]  # [side, side, 1] in 0..1
    pixels = first + blend * (second - first)
    if background.kind == "speckle":
        pixels += rng.integers(-2, 3, (side, side, 1)) * 6
    return pixels.round().clip(0, 255).astype(np.uint8)


def _blend(kind: str, rng: np.random.Generator, side: int) -> NDArray[np.float32]:
    """How much of the second tone shows: [side, side] in 0..1."""
    if kind == "gradient":
        angle = rng.uniform(0, 2 * math.pi)
        rows, columns = np.mgrid[0:side, 0:side].astype(np.float32) / (side - 1) - 0.5
        slope = rows * math.sin(angle) + columns * math.cos(angle)
        return np.asarray((slope - slope.min()) / (slope.max() - slope.min()))
    if kind == "clouds":
        coarse = Image.fromarray(rng.random((6, 6), np.float32))
        return np.asarray(coarse.resize((side, side), Image.Resampling.BICUBIC)).clip(0, 1)
    return np.zeros((side, side), np.float32)


@cache
def _shape_mask(shape: str, width: int, height: int) -> Image.Image:
    """Mode L, oversampled; the shape touches all four edges."""
    width, height = width * OVERSAMPLING, height * OVERSAMPLING
    mask = Image.new("L", (width, height))
    corners = [(x * (width - 1), y * (height - 1)) for x, y in _stretched(OUTLINES[shape])]
    ImageDraw.Draw(mask).polygon(corners, fill=255)
    return mask


@cache
def _texture_mask(texture: str, repeats: int, width: int, height: int) -> Image.Image:
    """Mode L, oversampled; 255 where the shade goes."""
    width, height = width * OVERSAMPLING, height * OVERSAMPLING
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    x, y = columns / width * repeats, rows / height * repeats
    dark = (x + y) % 1 < 0.42 if texture == "striped" else np.hypot(x % 1 - 0.5, y % 1 - 0.5) < 0.31
    return Image.fromarray(dark.astype(np.uint8) * 255)


def _stretched(points: list[Point]) -> list[Point]:
    """The outline scaled to fill the unit square, y downwards."""
    xs, ys = zip(*points, strict=True)
    left, top, width, height = min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)
    return [((x - left) / width, (y - top) / height) for x, y in points]


def _round(points: int) -> list[float]:
    return [2 * math.pi * index / points for index in range(points)]


def _heart(t: float) -> Point:
    y = 13 * math.cos(t) - 5 * math.cos(2 * t) - 2 * math.cos(3 * t) - math.cos(4 * t)
    return 16 * math.sin(t) ** 3, -y


OUTLINES: dict[str, list[Point]] = {
    "circle": [(math.cos(t), math.sin(t)) for t in _round(64)],
    "square": [(0, 0), (1, 0), (1, 1), (0, 1)],
    "triangle": [(0.5, 0), (1, 1), (0, 1)],
    "star": [(radius * math.sin(t), -radius * math.cos(t)) for radius, t in zip([1, 0.46] * 5, _round(10), strict=True)],
    "cross": [
        (1, 0), (2, 0), (2, 1), (3, 1), (3, 2), (2, 2), (2, 3), (1, 3), (1, 2), (0, 2), (0, 1), (1, 1),
    ],
    "diamond": [(1, 0), (2, 1), (1, 2), (0, 1)],
    "heart": [_heart(t) for t in _round(64)],
}  # fmt: skip
