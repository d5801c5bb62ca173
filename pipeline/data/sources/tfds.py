"""Photographs from a prepared TensorFlow Datasets folder, `coco_captions/2014` above all."""

from __future__ import annotations

import io
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from pipeline.core.errors import SettingsError
from pipeline.core.settings import SourceSettings
from pipeline.data.sources.base import SPLITS, CaptionedImage, LabelledBox, Split
from pipeline.storage.files import digest_of

_PARTS = {"train": ("train", "restval"), "val": ("val", "validation"), "test": ("test",)}
_NAME = re.compile(r"(?P<name>\w+)(/(?P<config>[\w.-]+))?(:(?P<version>\d+\.\d+\.\d+))?")
_STORED = ("JPEG", "PNG")  # all that TFDS writes; their headers are read in Python, without a C library
_GAP = 64  # reading past so many unwanted examples is cheaper than another pipeline


class TfdsSource:
    """A dataset prepared by TFDS, never downloaded; `uri` is a position in a part of the dataset, such as `restval/000123`."""

    def __init__(self, settings: SourceSettings) -> None:
        self._folder = prepared_folder(settings.dataset, settings.data_dir)
        self._max_images = settings.max_images

    def fingerprint(self) -> str:
        """SHA-256 over the names, sizes and times of the dataset's files."""
        stats = {path.name: path.stat() for path in sorted(self._folder.iterdir())}
        return digest_of({name: [stat.st_size, stat.st_mtime_ns] for name, stat in stats.items()})

    def captioned_images(self) -> Iterator[CaptionedImage]:
        """Every image in stored order, train first."""
        names: set[str] = set()
        for split, parts in self._splits():
            left = self._max_images
            for part, size in parts:
                stop = size if left is None else min(size, left)
                left = None if left is None else left - stop
                for position, example in self._examples(part, 0, stop):
                    image = self._captioned_image(split, f"{part}/{position:06d}", example, names)
                    names.add(image.image)
                    yield image

    def read(self, uris: Sequence[str]) -> Iterator[tuple[str, bytes | None]]:
        """Encoded bytes of images named by their position, in stored order."""
        wanted: dict[str, dict[int, str]] = defaultdict(dict)
        for uri in uris:
            part, _, position = uri.partition("/")
            wanted[part][int(position)] = uri
        for part, named in wanted.items():
            for start, stop in _ranges(sorted(named)):
                examples = self._examples(part, start, stop)
                yield from ((named[i], bytes(example["image"])) for i, example in examples if i in named)

    def remark(self, uri: str) -> None:
        """Nothing."""

    @cached_property
    def _builder(self) -> Any:
        import tensorflow_datasets as tfds

        builder = tfds.builder_from_directory(self._folder)
        features = builder.info.features
        if not {"image", "captions"} <= set(features) or "text" not in features["captions"]:
            raise SettingsError(
                f"{self._folder} has the features {', '.join(sorted(features))}; source.dataset needs image and captions.text"
            )
        return builder

    def _splits(self) -> Iterator[tuple[Split, list[tuple[str, int]]]]:
        """Each split with the parts that make it and their sizes."""
        sizes = {name: int(info.num_examples) for name, info in self._builder.info.splits.items()}
        if "train" not in sizes:
            raise SettingsError(f"{self._folder} has the splits {', '.join(sorted(sizes))}; source.dataset needs train")
        for split in SPLITS:
            yield split, [(part, sizes[part]) for part in _PARTS[split] if part in sizes]

    def _examples(self, part: str, start: int, stop: int) -> Iterator[tuple[int, dict[str, Any]]]:
        """Positions and examples of a range, images still encoded, in the order of the files."""
        import tensorflow as tf
        import tensorflow_datasets as tfds

        if start >= stop:
            return
        dataset = self._builder.as_dataset(
            split=tfds.core.ReadInstruction(part, from_=start, to=stop, unit="abs"),
            decoders={"image": tfds.decode.SkipDecoding()},
            read_config=tfds.ReadConfig(interleave_cycle_length=1, try_autocache=False),  # 1: positions are file order
            shuffle_files=False,
        )
        try:
            yield from enumerate(tfds.as_numpy(dataset), start)
        except (tf.errors.DataLossError, tf.errors.NotFoundError) as error:
            raise SettingsError(f"{self._folder} is damaged in {part}: {error.message}; prepare it again") from error

    def _captioned_image(self, split: Split, uri: str, example: dict[str, Any], taken: set[str]) -> CaptionedImage:
        data = bytes(example["image"])
        name = example["image/filename"].decode(errors="replace") if "image/filename" in example else uri
        captions = tuple(text.decode(errors="replace") for text in example["captions"]["text"])
        image = f"{split}:{name}" if name in taken else name
        return CaptionedImage(image, uri, split, captions, data, self._boxes(data, example))

    def _boxes(self, data: bytes, example: dict[str, Any]) -> tuple[LabelledBox, ...]:
        """Objects with boxes in pixels; TFDS stores them as shares of the image's sides."""
        size = _size(data) if "objects" in example else None
        if size is None:
            return ()
        width, height = size
        label = self._builder.info.features["objects"]["label"].int2str
        return tuple(
            LabelledBox(label(kind), left * width, top * height, (right - left) * width, (bottom - top) * height)
            for kind, (top, left, bottom, right) in zip(
                example["objects"]["label"], example["objects"]["bbox"].astype(float), strict=True
            )
        )


def prepared_folder(dataset: str, data_dir: Path | None) -> Path:
    """The newest prepared version of `name[/config][:version]` below a data folder."""
    parts = _NAME.fullmatch(dataset)
    if parts is None:
        raise SettingsError(f"source.dataset is {dataset!r}; write name/config, for example coco_captions/2014")
    root = data_root(data_dir)
    folder = root / parts["name"] / (parts["config"] or "")
    versions = [path.parent for path in folder.glob(f"{parts['version'] or '*'}/features.json")]
    if not versions:
        raise SettingsError(
            f"dataset {dataset} is not prepared in {root}; set source.data_dir, or prepare it once (coco_captions "
            f"downloads 40 GB and needs 115 GB of disk) with: tfds build {dataset} --data_dir {root}"
        )
    return max(versions, key=lambda path: [int(number) for number in re.findall(r"\d+", path.name)])


def data_root(given: Path | None) -> Path:
    """Where prepared datasets lie: the given folder, else TFDS' own default."""
    if given:
        return given.expanduser()
    import tensorflow_datasets as tfds

    return Path(tfds.core.constants.DATA_DIR)


def _ranges(positions: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Half-open ranges that cover sorted positions, joined across small gaps."""
    start = last = positions[0]
    for position in positions[1:]:
        if position - last > _GAP:
            yield start, last + 1
            start = position
        last = position
    yield start, last + 1


def _size(data: bytes) -> tuple[int, int] | None:
    """Width and height from the header, as stored; None where there is no readable one."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data), formats=_STORED) as image:
            return image.size
    except (OSError, ValueError, Image.DecompressionBombError):
        return None
