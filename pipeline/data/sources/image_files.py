"""The images that annotation files name: in a local folder or under a prefix in an object store."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from errno import EACCES, EISDIR, ELOOP, ENAMETOOLONG, ENOENT, ENOTDIR, EPERM
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

from pipeline.core.errors import BadInput, ObjectUnavailable, SettingsError
from pipeline.core.parallel import in_parallel
from pipeline.storage.name_matching import MatchedNames, match_names, same_to_the_eye
from pipeline.storage.objects import LocalFolder, ObjectInfo, S3Folder
from pipeline.storage.objects.beneath import NoPlainFile, OutsideRoot, open_beneath, open_size, resolved
from pipeline.storage.objects.s3_address import SCHEME

MOST_BYTES = 1_100_000_000  # a file that training reads; 170 megapixels, which settings allow, in RGB of 16 bits

_READERS = 16
_ABSENT = {ENOENT, ENOTDIR, EISDIR, EACCES, EPERM, ELOOP, ENAMETOOLONG}


class ImageFiles(Protocol):
    """Images by their path below one place; raises ObjectUnavailable when the disk or the store fails."""

    def path(self, name: str, where: str) -> str:
        """A name as a normal path; `where` it stood is for the message."""

    def matched(self, names: Iterable[str]) -> MatchedNames:
        """The path of each name that an image has, if only to the eye, or with folders above this place before it."""

    def stamps(self, paths: Iterable[str]) -> dict[str, Any]:
        """What changes whenever an image may have changed, by path; None where there is none."""

    def read(self, paths: Iterable[str]) -> Iterator[bytes | None]:
        """Encoded bytes in the order of the paths; None where unreadable or more than `MOST_BYTES`."""

    def fault(self, path: str) -> str | None:
        """Why an image that is there cannot be read."""


def open_image_files(images: str | None) -> ImageFiles:
    """The images at `source.images`, a folder or a prefix in an object store."""
    if images is not None and images.startswith(SCHEME):
        return StoredImageFiles(S3Folder(images, connections=_READERS))
    if images is None or not Path(images).is_dir():
        raise SettingsError(
            f"source.images is {images!r}, which is not a folder of images; name one, or s3://bucket/prefix"
        )
    return LocalImageFiles(Path(images).resolve())


class LocalImageFiles:
    """Images in a folder on this machine; links may not lead outside."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def path(self, name: str, where: str) -> str:
        """A name as a normal path that stays inside the folder, symbolic links included."""
        path = _lexical(name)
        if path is None or not resolved(self._root / path).is_relative_to(self._root):
            raise _outside(name, where, str(self._root))
        return str(path)

    def matched(self, names: Iterable[str]) -> MatchedNames:
        """Each name as it is, else by a listing of the folder."""
        listed = (info.name for info in LocalFolder(self._root).list())
        return _matched(names, str(self._root), self._is_file, listed)

    def stamps(self, paths: Iterable[str]) -> dict[str, Any]:
        """Size and time of each file."""
        return {path: self._stamp(path) for path in paths}

    def read(self, paths: Iterable[str]) -> Iterator[bytes | None]:
        """The files' bytes."""
        return (self._read(path) for path in paths)

    def fault(self, path: str) -> str | None:
        """By opening the file."""
        try:
            with open_beneath(self._root, path) as file:
                return _too_large(path, open_size(file))
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            return f"{path!r} cannot be read: {error}"

    def _read(self, path: str) -> bytes | None:
        if _lexical(path) is None:
            raise _outside(path, "an image", str(self._root))
        try:
            with open_beneath(self._root, path) as file:
                return None if _too_large(path, open_size(file)) else file.read(MOST_BYTES)
        except OutsideRoot as error:
            raise _outside(path, "an image", str(self._root)) from error
        except NoPlainFile:
            return None
        except OSError as error:
            _require_absent(path, error)
            return None

    def _is_file(self, path: str) -> bool:
        return os.path.isfile(self._root / path)  # noqa: PTH113 - False, whatever fails

    def _stamp(self, path: str) -> list[int] | None:
        try:
            return _size_and_time(self._root / self.path(path, "an image"))
        except OSError as error:
            _require_absent(path, error)
            return None


class StoredImageFiles:
    """Images under a prefix, which is listed once; several are read at once."""

    def __init__(self, folder: S3Folder) -> None:
        self._folder = folder

    def path(self, name: str, where: str) -> str:
        """A name as it is listed, else as a normal path that stays below the prefix."""
        if name in self._listed:
            return name
        path = _lexical(name)
        if path is None:
            raise _outside(name, where, self._folder.uri)
        return str(path)

    def matched(self, names: Iterable[str]) -> MatchedNames:
        """Each name in the listing."""
        return _matched(names, self._folder.uri, lambda path: path in self._listed, self._listed)

    def stamps(self, paths: Iterable[str]) -> dict[str, Any]:
        """The ETag of each object."""
        return {path: info.etag if (info := self._listed.get(path)) else None for path in paths}

    def read(self, paths: Iterable[str]) -> Iterator[bytes | None]:
        """The objects' bytes, as they were listed."""
        return in_parallel(self._bytes, paths, _READERS)

    def fault(self, path: str) -> str | None:
        """By the size that the store lists."""
        info = self._listed.get(path)
        return _too_large(path, info.size) if info else None

    def _bytes(self, path: str) -> bytes | None:
        info = self._listed.get(self.path(path, "an image"))
        try:
            return self._folder.read(info) if info and not _too_large(path, info.size) else None
        except BadInput:
            return None

    @cached_property
    def _listed(self) -> dict[str, ObjectInfo]:
        return {info.name: info for info in self._folder.list()}


def _matched(names: Iterable[str], root: str, is_there: Callable[[str], bool], listed: Iterable[str]) -> MatchedNames:
    """Match names by `is_there`, and only those that are not there with the paths that are listed."""
    found, absent, root = dict[str, str](), list[str](), root.rstrip("/")
    for name in dict.fromkeys(names):
        paths = dict.fromkeys(map(_lexical, (name, same_to_the_eye(name))))
        there = next((str(path) for path in paths if path is not None and is_there(str(path))), None)
        if there is None:
            absent.append(name)
        else:
            found[name] = there
    if not absent:
        return MatchedNames(found, {})
    parts = root.split("/")
    places = ["/".join(parts[:count]) for count in range(len(parts), 0, -1)]
    others = match_names(absent, (f"{root}/{path}" for path in listed), places)
    found |= {name: path.removeprefix(f"{root}/") for name, path in others.found.items()}
    unknown = {name: likely and likely.removeprefix(f"{root}/") for name, likely in others.unknown.items()}
    return MatchedNames(found, unknown)


def _lexical(name: str) -> PurePosixPath | None:
    path = PurePosixPath(name)
    stays = path.parts and not path.is_absolute() and ".." not in path.parts and "\0" not in name
    return path if stays else None


def _outside(name: str, where: str, root: str) -> SettingsError:
    return SettingsError(
        f"{where} has file_name {name!r}, which does not stay inside {root}; file names are relative to source.images"
    )


def _size_and_time(file: Path) -> list[int]:
    stat = file.stat()
    return [stat.st_size, stat.st_mtime_ns]


def _require_absent(path: str, error: OSError) -> None:
    if error.errno not in _ABSENT:
        raise ObjectUnavailable(f"cannot read {path!r}: {error}; try again when the file system answers") from error


def _too_large(path: str, size: int) -> str | None:
    return f"{path!r} has {size:,} bytes; a training reads at most {MOST_BYTES:,}" if size > MOST_BYTES else None
