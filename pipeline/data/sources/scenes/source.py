"""The built-in scenes as a source of captioned photographs."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from pipeline.core.settings import SourceSettings
from pipeline.data.sources.base import SPLITS, CaptionedImage, LabelledBox
from pipeline.data.sources.scenes.dataset import (
    CAPTIONS_FILE,
    GENERATOR_VERSION,
    IMAGES_FOLDER,
    OBJECTS_FILE,
    write_scenes,
)
from pipeline.storage.files import digest_of, read_json
from pipeline.storage.objects.beneath import open_beneath, resolved

log = logging.getLogger(__name__)


class ScenesSource:
    """Generated images, drawn below `folder` when they are first asked for."""

    def __init__(self, settings: SourceSettings, folder: Path) -> None:
        self._recipe = {
            "generator": GENERATOR_VERSION,
            "count": settings.scene_count,
            "side": settings.scene_side,
            "seed": settings.scene_seed,
        }
        self._folder = folder / self.fingerprint()[:32]
        self._max_images = settings.max_images

    def fingerprint(self) -> str:
        """SHA-256 over the generator's version and settings."""
        return digest_of(self._recipe)

    def dataset(self) -> Path:
        """The folder of the COCO-format dataset, drawn if it is missing."""
        if not self._folder.is_dir():
            log.info("scenes: drawing %d images", self._recipe["count"])
            write_scenes(self._folder, self._recipe["count"], self._recipe["side"], self._recipe["seed"])
        return self._folder

    def captioned_images(self) -> Iterator[CaptionedImage]:
        """Every image in order of its number; `image` is its file name."""
        folder = self.dataset()
        objects = read_json(folder / OBJECTS_FILE)
        for split in SPLITS:
            coco = read_json(folder / CAPTIONS_FILE.format(split=split))
            captions = defaultdict(list)
            for annotation in coco["annotations"]:
                captions[annotation["image_id"]].append(annotation["caption"])
            for entry in coco["images"][: self._max_images]:
                name = entry["file_name"]
                boxes = tuple(LabelledBox(item["label"], *item["box"]) for item in objects[name])
                uri = f"{IMAGES_FOLDER}/{name}"
                yield CaptionedImage(name, uri, split, tuple(captions[entry["id"]]), _bytes(folder, uri), boxes)

    def read(self, uris: Sequence[str]) -> Iterator[tuple[str, bytes | None]]:
        """Encoded bytes of images named by their path inside the dataset."""
        folder = self.dataset()
        for uri in uris:
            yield uri, _bytes(folder, uri)

    def remark(self, uri: str) -> None:
        """Nothing."""


def _bytes(folder: Path, uri: str) -> bytes | None:
    try:
        with open_beneath(resolved(folder), uri) as file:
            return file.read()
    except OSError:
        return None
