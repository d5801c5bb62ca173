"""Photographs in a folder beside annotation files in COCO's captions format."""

from __future__ import annotations

import errno
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

from pydantic import BaseModel, ValidationError

from pipeline.errors import ObjectUnavailable, SettingsError
from pipeline.files import digest_of, sha256_file
from pipeline.settings import SourceSettings
from pipeline.sources.base import SPLITS, Photograph, Split

log = logging.getLogger(__name__)

_ABSENT = {
    errno.ENOENT,
    errno.ENOTDIR,
    errno.EISDIR,
    errno.EACCES,
    errno.EPERM,
    errno.ELOOP,
    errno.ENAMETOOLONG,
}


class _Image(BaseModel):
    id: int | str
    file_name: str


class _Caption(BaseModel):
    image_id: int | str
    caption: str


class _Annotations(BaseModel):
    images: list[_Image]
    annotations: list[_Caption]


@dataclass(frozen=True)
class _Entry:
    """A picture as an annotation file lists it; `uri` is its path inside the images folder."""

    image: str
    uri: str
    split: Split
    captions: tuple[str, ...]


class CocoJsonSource:
    """Photographs named by COCO captions files, one file a split.

    `image` and `uri` are the file name inside the images folder. A picture that several splits
    name is one photograph in each; `image` is then `train:NAME` or `val:NAME` outside the split
    that judges most. Pictures are reached through `_stamp` and `_bytes` alone, which is where an
    object store would join.
    """

    def __init__(self, settings: SourceSettings) -> None:
        if settings.images is None or not settings.images.is_dir():
            raise SettingsError(f"source.images is {str(settings.images)!r}, which is not a folder of pictures")
        self._root = settings.images.resolve()
        files = (settings.train_annotations, settings.val_annotations, settings.test_annotations)
        self._files = {split: file for split, file in zip(SPLITS, files, strict=True) if file}
        self._max_images = settings.max_images

    def fingerprint(self) -> str:
        """SHA-256 over the annotation files and every named picture's size and time.

        Raises:
            SettingsError: as `photographs`.
        """
        pictures = {entry.uri: self._stamp(entry.uri) for entry in self._entries}
        return digest_of([{split: sha256_file(file) for split, file in self._files.items()}, pictures])

    def photographs(self) -> Iterator[Photograph]:
        """Every picture in the annotation files' order, train first.

        Raises:
            SettingsError: an annotation file is malformed, or names a file outside the images folder.
            ObjectUnavailable: the file system fails.
        """
        for entry in self._entries:
            yield Photograph(entry.image, entry.uri, entry.split, entry.captions, self._bytes(entry.uri))

    def read(self, uris: Sequence[str]) -> Iterator[tuple[str, bytes | None]]:
        """Encoded bytes of pictures named by their path inside the images folder.

        Raises:
            SettingsError: a path leads outside the images folder.
            ObjectUnavailable: the file system fails.
        """
        for uri in dict.fromkeys(uris):
            yield uri, self._bytes(uri)

    @cached_property
    def _entries(self) -> list[_Entry]:
        listed = {split: self._captions(file) for split, file in self._files.items()}
        entries: list[_Entry] = []
        names: set[str] = set()
        for split in reversed(listed):  # so that the copy that judges keeps the plain name
            named = [
                _Entry(f"{split}:{uri}" if uri in names else uri, uri, split, captions)
                for uri, captions in listed[split].items()
            ]
            names.update(listed[split])
            entries = named + entries
        return entries

    def _captions(self, file: Path) -> dict[str, tuple[str, ...]]:
        """Captions by path inside the images folder, both in the file's order."""
        parsed = _parse(file)
        paths = {
            entry.id: self._inside(entry.file_name, f"{file}: images[{i}]") for i, entry in enumerate(parsed.images)
        }
        if len(paths) < len(parsed.images):
            raise SettingsError(
                f"{file}: {len(parsed.images) - len(paths)} images repeat the id of another; ids name one image"
            )
        captions: dict[str, list[str]] = {path: [] for path in list(dict.fromkeys(paths.values()))[: self._max_images]}
        for annotation in parsed.annotations:
            captions.get(paths.get(annotation.image_id, ""), []).append(annotation.caption)
        strays = sum(annotation.image_id not in paths for annotation in parsed.annotations)
        if strays:
            log.warning("%s: %d captions belong to images that the file does not list; ignored", file, strays)
        return {path: tuple(texts) for path, texts in captions.items()}

    def _inside(self, name: str, where: str) -> str:
        """A file name as a normal path that stays inside the images folder, symbolic links included."""
        path = PurePosixPath(name)
        lexical = path.parts and not path.is_absolute() and ".." not in path.parts and "\0" not in name
        if not lexical or not (self._root / path).resolve().is_relative_to(self._root):
            raise SettingsError(
                f"{where} has file_name {name!r}, which does not stay inside {self._root}; "
                "file names are relative to source.images"
            )
        return str(path)

    def _path(self, uri: str) -> Path:
        return self._root / self._inside(uri, "a photograph")

    def _stamp(self, uri: str) -> list[int] | None:
        try:
            found = self._path(uri).stat()
        except OSError as error:
            if error.errno in _ABSENT:
                return None
            raise _unavailable(uri, error) from error
        return [found.st_size, found.st_mtime_ns]

    def _bytes(self, uri: str) -> bytes | None:
        path = self._path(uri)
        try:
            return path.read_bytes() if path.is_file() else None
        except OSError as error:
            if error.errno in _ABSENT:
                return None
            raise _unavailable(uri, error) from error


def _unavailable(uri: str, error: OSError) -> ObjectUnavailable:
    return ObjectUnavailable(f"cannot read {uri!r}: {error}; try again when the file system answers")


def read_annotations(file: Path) -> dict[str, list[str]]:
    """The captions of each picture by its file name, both in the file's order.

    Raises:
        SettingsError: the file is missing or malformed.
    """
    parsed = _parse(file)
    names = {entry.id: entry.file_name for entry in parsed.images}
    captions: dict[str, list[str]] = {name: [] for name in names.values()}
    for annotation in parsed.annotations:
        captions.get(names.get(annotation.image_id, ""), []).append(annotation.caption)
    return captions


def _parse(file: Path) -> _Annotations:
    try:
        return _Annotations.model_validate_json(file.read_bytes())
    except OSError as error:
        raise SettingsError(f"cannot read annotation file {file}: {error.strerror or error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in first["loc"]).lstrip(".")
        raise SettingsError(
            f"{file} is no COCO captions file: {f'{place}: ' if place else ''}{first['msg']} "
            f"({error.error_count()} such faults); it needs images (id, file_name) and annotations (image_id, caption)"
        ) from error
