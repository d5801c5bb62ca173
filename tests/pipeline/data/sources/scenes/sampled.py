"""Scenes to test with, and what is seen in their pixels and said in their captions."""

import numpy as np

from pipeline.data.sources.scenes.world import sample_scene
from pipeline.storage.files import sha256_file

COUNT = 400


def scenes_of(split, count, side=112):
    return [sample_scene(np.random.default_rng([9, number]), split, side) for number in range(count)]


def triples(scene):
    return [(item.colour, item.shape, item.place) for item in scene.objects]


def contents(folder):
    return {path.relative_to(folder): sha256_file(path) for path in sorted(folder.rglob("*")) if path.is_file()}


def inside(item):
    left, top, width, height = item.box
    return slice(top, top + height), slice(left, left + width)


def within(pixels, item):
    return pixels[inside(item)]


def near(pixels, colour):
    return np.abs(pixels - np.array(colour)).max(axis=-1) < 16


def mentioned(scene, word):
    return [item for item in scene.objects if word in (item.size, item.texture)]
