"""Small captioned datasets of drawn images."""

from __future__ import annotations

import io
import json
from collections import defaultdict

import pytest
from PIL import Image

from pipeline.core.settings import SourceSettings
from pipeline.data.sources.coco import CocoJsonSource


def image_of(number, side=40, format="PNG"):
    """Encoded bytes of an image that no other number has."""
    buffer = io.BytesIO()
    Image.new("RGB", (side, side), (number % 256, number // 256 % 256, 90)).save(buffer, format)
    return buffer.getvalue()


class Dataset:
    """A COCO-format dataset on disk that tests add to."""

    def __init__(self, folder):
        self.images = folder / "images"
        self.images.mkdir()
        self.folder = folder
        self.entries = defaultdict(list)

    def add(self, name, captions=("a plain image",), split="train", data=None):
        """List an image with captions, and write it unless `data` is empty."""
        self.entries[split].append((name, captions))
        if data:
            (self.images / name).parent.mkdir(parents=True, exist_ok=True)
            (self.images / name).write_bytes(data)

    def fill(self, count, split="train", first=0):
        """Add sound images with five captions each."""
        for number in range(first, first + count):
            captions = [f"image {number} in {words} words" for words in ("one", "two", "three", "four", "five")]
            self.add(f"{split}-{number:04d}.png", captions, split, image_of(number))

    def settings(self, **values):
        """Write the annotation files."""
        files = {}
        for split, entries in self.entries.items():
            file = files[f"{split}_annotations"] = self.folder / f"{split}.json"
            images = [{"id": place, "file_name": name} for place, (name, _) in enumerate(entries)]
            annotations = [
                {"id": place, "image_id": place, "caption": caption}
                for place, (_, captions) in enumerate(entries)
                for caption in captions
            ]
            file.write_text(json.dumps({"images": images, "annotations": annotations}))
        return SourceSettings(kind="coco_json", images=self.images, **files, **values)

    def source(self, **values):
        return CocoJsonSource(self.settings(**values))


@pytest.fixture(scope="session")
def new_dataset(tmp_path_factory):
    """Makes an empty dataset."""
    return lambda: Dataset(tmp_path_factory.mktemp("dataset"))


@pytest.fixture(scope="session")
def image():
    """Makes the encoded bytes of an image that no other number has."""
    return image_of
