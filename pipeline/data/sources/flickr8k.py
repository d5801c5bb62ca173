"""The public Flickr8k distribution, turned into the form that this project's figures are measured in."""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from PIL import Image
from pydantic import BaseModel

from pipeline.core.errors import BadImage, SettingsError
from pipeline.core.reasons import NO_CAPTION, UNSAFE_NAME
from pipeline.core.text_files import file_text
from pipeline.data.sources.base import SPLITS, Split
from pipeline.imaging.decode import ImageLimits
from pipeline.imaging.sandbox import Work, decode_each
from pipeline.model.image_file import read_image_file
from pipeline.storage.annotations import NumberedImage, coco_captions, read_form
from pipeline.storage.files import creating_folder, sha256_file, write_json, write_text

log = logging.getLogger(__name__)

SIDE = 224
QUALITY = 85
FLICKR8K_CONFIG = "flickr8k.yaml"
REPORT = "prepared.json"
_LIMITS = ImageLimits()
_NO_LINKS = ", and not as links to elsewhere: name the folder that they lead to, or copy the files"
MAX_LEFT_OUT = 0.05  # more is a wrong or half unpacked folder, and figures would not compare

_LISTS: dict[Split, str] = {"train": "train", "val": "dev", "test": "test"}  # as in Flickr_8k.devImages.txt
_FORMS = "--annotations takes Flickr8k.token.txt (the split lists beside it) or Karpathy's dataset_flickr8k.json"
_YAML = """\
# Written by `nightcap prepare flickr8k`; paths are relative to this file.
preset: flickr8k
source:
  images: images
  train_annotations: captions_train.json  # the preset's val_cut of these images choose
  test_annotations: captions_val.json  # judges, as in docs/results.md; captions_test.json is the official test split
  terms: "Flickr8k, Hodosh, Young and Hockenmaier (JAIR 47, 2013): research and education only."
"""


class ListedImage(NamedTuple):
    """An image as the distribution lists it; `name` is a plain file name."""

    name: str
    split: Split
    captions: tuple[str, ...]


class _Sentence(BaseModel):
    raw: str


class _Image(BaseModel):
    filename: str
    split: Split
    sentences: list[_Sentence]


class _Karpathy(BaseModel):
    images: list[_Image]


def prepare_flickr8k(images: Path, annotations: Path, output: Path) -> dict[str, Any]:
    """Write `images/`, `captions_{train,val,test}.json`, `flickr8k.yaml` and `prepared.json`, atomically.

    Every image is squashed whole to 224x224 pixels and encoded as a JPEG of quality 85. One that cannot be read, or
    has no caption, is left out. Returns `prepared.json`: the images and captions of each split, the reason of each
    image left out, and the SHA-256 of the annotations.
    """
    if output.exists() and not (output.is_dir() and not any(output.iterdir())):
        raise SettingsError(f"--output {output} exists and is not an empty folder; remove it or name another")
    if not images.is_dir():
        raise SettingsError(f"--images {images} is not a folder; name the one that holds Flickr8k's JPEG files")
    listed = read_distribution(annotations)
    with creating_folder(output) as folder:
        faults = _write_images(images, listed, folder / "images")
        _check_left_out(faults, listed, images)
        left_out = {name: fault.reason for name, fault in faults.items()}
        kept = [image for image in listed if image.name not in left_out]
        for split in SPLITS:
            write_json(folder / f"captions_{split}.json", _coco(kept, split))
        write_text(folder / FLICKR8K_CONFIG, _YAML)
        report = _counts(kept) | {"left_out": left_out, "annotations_sha256": sha256_file(annotations)}
        write_json(folder / REPORT, report)
    return report


def read_distribution(annotations: Path) -> list[ListedImage]:
    """The images of the official splits, sorted by name, with captions as written."""
    if annotations.is_dir():
        raise SettingsError(f"--annotations {annotations} is a folder, not a file; {_FORMS}")
    listed = _karpathy(annotations) if annotations.suffix == ".json" else _tokens(annotations)
    for name, count in Counter(image.name for image in listed).items():
        if count > 1:
            raise SettingsError(f"{annotations}: {name!r} is listed {count} times; each image is in one split once")
        if PurePosixPath(name).name != name or "\0" in name:
            raise SettingsError(f"{annotations}: {name!r} is no plain file name; images lie directly in --images")
    if empty := set(SPLITS) - {image.split for image in listed}:
        raise SettingsError(f"{annotations} lists no image of {', '.join(sorted(empty))}; {_FORMS}")
    return sorted(listed)


def _karpathy(file: Path) -> list[ListedImage]:
    parsed = read_form(file, _Karpathy, "dataset_flickr8k.json of Karpathy", _FORMS)
    return [
        ListedImage(each.filename, each.split, tuple(text.raw for text in each.sentences)) for each in parsed.images
    ]


def _tokens(file: Path) -> list[ListedImage]:
    captions: dict[str, list[str]] = defaultdict(list)
    for name, caption in _token_lines(file):
        captions[name].append(caption)
    lists = {split: file.parent / f"Flickr_8k.{name}Images.txt" for split, name in _LISTS.items()}
    if absent := [path.name for path in lists.values() if not path.is_file()]:
        raise SettingsError(f"{', '.join(absent)} not found beside {file}; the three split lists must lie there")
    names = ((name, split) for split, path in lists.items() for name in file_text(path, _FORMS).split())
    return [ListedImage(name, split, tuple(captions[name])) for name, split in names]


def _token_lines(file: Path) -> Iterator[tuple[str, str]]:
    """Image and caption of each line `name.jpg#0<TAB>caption`."""
    for number, line in enumerate(file_text(file, _FORMS).split("\n"), start=1):
        place, tab, caption = line.partition("\t")
        name, mark, position = place.rpartition("#")
        if line.strip() and not (tab and mark and position.strip().isdigit()):
            raise SettingsError(f"{file}, line {number}: {line[:60]!r} is not 'name.jpg#0<TAB>caption'; {_FORMS}")
        if line.strip():
            yield name, caption.strip()


def _write_images(source: Path, listed: Sequence[ListedImage], target: Path) -> dict[str, BadImage]:
    """Write what can be read; the fault of each image that is left out."""
    target.mkdir()
    left_out: dict[str, BadImage] = {}

    def readable() -> Iterator[tuple[str, bytes]]:
        for image in listed:
            try:
                yield image.name, _read(source, image)
            except BadImage as error:
                left_out[image.name] = error

    with closing(decode_each(readable(), Work.within(_LIMITS, SIDE, "squash"))) as decoded:
        for done, (name, result) in enumerate(decoded, start=1):
            if isinstance(result, BadImage):
                left_out[name] = result
            else:
                Image.fromarray(result.pixels).save(target / name, "JPEG", quality=QUALITY)
            if done % 500 == 0:
                log.info("%d of %d images", done, len(listed))
    return left_out


def _read(source: Path, image: ListedImage) -> bytes:
    if not any(caption.strip() for caption in image.captions):
        raise BadImage(NO_CAPTION, f"{image.name} has no caption")
    return read_image_file(source / image.name, _LIMITS, [str(source)])


def _check_left_out(left_out: Mapping[str, BadImage], listed: Sequence[ListedImage], images: Path) -> None:
    if not left_out:
        return
    first, fault = next(iter(left_out.items()))
    message = f"{len(left_out)} of the {len(listed)} images cannot be used, first {first!r} ({fault.reason}: {fault})"
    if len(left_out) > MAX_LEFT_OUT * len(listed):
        remedy = f"--images {images} must hold all of Flickr8k's JPEG files, unpacked"
        is_link = fault.reason == UNSAFE_NAME
        raise SettingsError(f"{message}; {remedy}{_NO_LINKS if is_link else ''}")
    log.warning("%s; they are left out and listed in %s", message, REPORT)


def _coco(images: Iterable[ListedImage], split: Split) -> dict[str, Any]:
    """A COCO captions file of one split; ids of images count through all splits, by name."""
    info = {"description": f"Flickr8k, {split}; pictures squashed to {SIDE}x{SIDE}, JPEG quality {QUALITY}"}
    numbered = [
        NumberedImage(number, image.name, image.captions)
        for number, image in enumerate(images, start=1)
        if image.split == split
    ]
    return coco_captions(info, numbered, SIDE, first_id=1)


def _counts(kept: Sequence[ListedImage]) -> dict[str, Any]:
    splits = {split: [image for image in kept if image.split == split] for split in SPLITS}
    return {
        "images": {split: len(own) for split, own in splits.items()},
        "captions": {split: sum(len(image.captions) for image in own) for split, own in splits.items()},
    }
