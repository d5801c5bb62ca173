"""Photographs in a folder beside annotation files in COCO's captions format."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from pipeline.core.reasons import IGNORED_REASONS
from pipeline.core.settings import SourceSettings
from pipeline.data.sources.base import SPLITS, CaptionedImage
from pipeline.data.sources.image_files import open_image_files
from pipeline.storage.annotations import read_coco_captions
from pipeline.storage.files import digest_of, sha256_file
from pipeline.storage.name_matching import MatchedNames
from pipeline.storage.objects import Exclusions

log = logging.getLogger(__name__)


class CocoJsonSource:
    """Photographs named by COCO captions files, one file a split.

    `image` and `uri` are the file name inside the images folder. An image that several splits name is one captioned
    image in each; `image` is then `train:NAME` or `val:NAME` outside the last split.
    """

    def __init__(self, settings: SourceSettings) -> None:
        self._images = open_image_files(settings.images)
        files = (settings.train_annotations, settings.val_annotations, settings.test_annotations)
        self._files = {split: file for split, file in zip(SPLITS, files, strict=True) if file}
        self._exclusions = Exclusions(settings.exclude or ())
        self._max_images = settings.max_images
        self._missing: dict[str, str] = {}  # what to say of a path that no image has

    def fingerprint(self) -> str:
        """SHA-256 over the annotation files and every named image's size and time, or ETag."""
        images = self._images.stamps(entry.uri for entry in self._entries)
        return digest_of([{split: sha256_file(file) for split, file in self._files.items()}, images])

    def captioned_images(self) -> Iterator[CaptionedImage]:
        """Every image in the annotation files' order, train first."""
        read = self._images.read(entry.uri for entry in self._entries)
        for entry, data in zip(self._entries, read, strict=True):
            yield replace(entry, data=data)

    def read(self, uris: Sequence[str]) -> Iterator[tuple[str, bytes | None]]:
        """Encoded bytes of images named by their path inside the images folder."""
        unique = dict.fromkeys(uris)
        return zip(unique, self._images.read(unique), strict=True)

    def remark(self, uri: str) -> str | None:
        """Of an image that is not there: the likely one; of one that cannot be read: why."""
        return self._missing.get(uri) if self._entries and uri in self._missing else self._images.fault(uri)

    @cached_property
    def _entries(self) -> list[CaptionedImage]:
        """The images as the annotation files list them, without their bytes."""
        listed = {split: self._captions(file) for split, file in self._files.items()}
        entries: list[CaptionedImage] = []
        names: set[str] = set()
        for split in reversed(listed):  # so that the copy of the last split keeps the plain name
            named = [
                CaptionedImage(f"{split}:{uri}" if uri in names else uri, uri, split, captions, None)
                for uri, captions in listed[split].items()
            ]
            names.update(listed[split])
            entries = named + entries
        return entries

    def _captions(self, file: Path) -> dict[str, tuple[str, ...]]:
        """Captions by path inside the images folder, both in the file's order."""
        parsed = read_coco_captions(file)
        matched = self._images.matched(entry.file_name for entry in parsed.images)
        paths = {
            entry.id: self._images.path(matched.found.get(entry.file_name, entry.file_name), f"{file}: images[{i}]")
            for i, entry in enumerate(parsed.images)
        }
        self._note_missing(matched, file)
        wanted = self._wanted(paths.values(), file)
        captions: dict[str, list[str]] = {path: [] for path in wanted[: self._max_images]}
        for image, caption in parsed.captions():
            captions.get(paths.get(image, ""), []).append(caption)
        return {path: tuple(texts) for path, texts in captions.items()}

    def _wanted(self, paths: Iterable[str], file: Path) -> list[str]:
        """Each path once, without those that are left out."""
        reasons = {path: self._exclusions.why(path) for path in paths}
        counts = Counter(reason for reason in reasons.values() if reason)
        for reason, count in counts.items():
            log.warning("%s: %d images are left out as %s. %s", file, count, reason, IGNORED_REASONS[reason])
        return [path for path, reason in reasons.items() if reason is None]

    def _note_missing(self, matched: MatchedNames, file: Path) -> None:
        for name, likely in matched.unknown.items():
            perhaps = f"; perhaps {likely!r}" if likely else ""
            self._missing[self._images.path(name, str(file))] = f"source.images has no file {name!r}{perhaps}"
        if matched.unknown:
            count, named = len(matched.unknown), matched.unknown_named()
            log.warning("%s: %d of its images are not in source.images: %s", file, count, named)
