"""Writing scenes to disk: a captioned dataset, or fresh images for a night."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.data.sources.base import SPLITS, Split
from pipeline.data.sources.scenes.drawing import draw_scene, encode
from pipeline.data.sources.scenes.wording import write_captions
from pipeline.data.sources.scenes.world import Scene, sample_scene
from pipeline.storage.annotations import NumberedImage, coco_captions
from pipeline.storage.files import creating_folder, write_bytes, write_json

GENERATOR_VERSION = 1  # raised whenever the same seed gives other images or captions
CAPTIONS_FILE = "captions_{split}.json"
OBJECTS_FILE = "objects.json"
IMAGES_FOLDER = "images"
INBOX_SIDE = 112  # pixels of the square images of an inbox
HELD_BACK = 10  # one image in so many is for val, and as many for test

_DATASET, _INBOX = 0, 1  # keep the random streams of datasets and inboxes apart

NumberedScene = tuple[int, Scene, tuple[str, ...]]  # with its captions


def write_scenes(folder: Path, count: int, side: int, seed: int) -> None:
    """Write `count` captioned images of `side` pixels as a COCO-format dataset, atomically.

    `images/*.png`; `captions_{train,val,test}.json` in COCO's captions format, file names relative to `images`;
    `objects.json`, by file name what is in each image, boxes as left, top, width, height in pixels.
    """
    with creating_folder(folder) as scratch:
        (scratch / IMAGES_FOLDER).mkdir()
        truths: dict[str, list[dict[str, Any]]] = {}
        held_back = count // HELD_BACK
        edges = (0, count - 2 * held_back, count - held_back, count)
        for split, (start, stop) in zip(SPLITS, pairwise(edges), strict=True):
            rows = list(_write_split(scratch, split, range(start, stop), side, seed))
            write_json(scratch / CAPTIONS_FILE.format(split=split), _coco(rows, side))
            for number, scene, _ in rows:
                truths[_file_name(number)] = [{"label": item.label, **asdict(item)} for item in scene.objects]
        write_json(scratch / OBJECTS_FILE, truths)


def draw_inbox(folder: Path, count: int, seed: int) -> list[Path]:
    """Draw `count` images that no dataset holds, each written atomically; each seed has file names of its own."""
    paths = []
    for number in range(count):
        rng = np.random.default_rng([_INBOX, seed, number])
        path = folder / f"scene-{seed}-{number:04d}.png"
        write_bytes(path, encode(draw_scene(sample_scene(rng, "test", INBOX_SIDE))))
        paths.append(path)
    return paths


def _write_split(folder: Path, split: Split, numbers: range, side: int, seed: int) -> Iterator[NumberedScene]:
    for number in numbers:
        rng = np.random.default_rng([_DATASET, seed, number])
        scene = sample_scene(rng, split, side)
        (folder / IMAGES_FOLDER / _file_name(number)).write_bytes(encode(draw_scene(scene)))
        yield number, scene, write_captions(scene, rng)


def _file_name(number: int) -> str:
    return f"{number:06d}.png"


def _coco(rows: list[NumberedScene], side: int) -> dict[str, Any]:
    info = {"description": "Nightcap scenes", "version": str(GENERATOR_VERSION)}
    images = [NumberedImage(number, _file_name(number), captions) for number, _, captions in rows]
    return coco_captions(info, images, side, first_id=rows[0][0] * len(rows[0][2]) if rows else 0)
