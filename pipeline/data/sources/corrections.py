"""A source whose snapshots people's corrections join."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import PurePosixPath

from pipeline.core.errors import SettingsError
from pipeline.data.sources.base import CaptionedImage, Source
from pipeline.data.sources.image_files import ImageFiles, open_image_files
from pipeline.storage.files import digest_of
from pipeline.storage.objects import require_inside
from pipeline.storage.tables.corrections import CORRECTED, Correction, CorrectionTable


class CorrectedSource:
    """Corrected images before those of another source, which stays as it is.

    `image` and `uri` of a corrected image are `corrected:` and its address. Corrected images come first, so that of
    two equal images in a split the corrected one stays. An object store is listed folder by folder to find them.
    """

    def __init__(self, source: Source, table: CorrectionTable, roots: Iterable[str]) -> None:
        self._source = source
        self._table = table
        self._roots = tuple(roots)
        self._opened: dict[str, ImageFiles | None] = {}

    def fingerprint(self) -> str:
        """Changes with the source, with a correction and with a corrected image."""
        if not self._corrections:
            return self._source.fingerprint()
        names: dict[str, list[str]] = defaultdict(list)
        for folder, name in map(_place, self._corrections):
            names[folder].append(name)
        texts = [(image, each.who, each.caption) for image, rows in self._corrections.items() for each in rows]
        stamps = {}
        for folder, listed in names.items():
            files = self._folder(folder)
            stamps[folder] = files.stamps(sorted(listed)) if files else dict.fromkeys(sorted(listed))
        return digest_of([self._source.fingerprint(), texts, stamps])

    def captioned_images(self) -> Iterator[CaptionedImage]:
        """The corrected images, to be put into splits by hash, then the source's."""
        for image, rows in self._corrections.items():
            name, captions = CORRECTED + image, tuple(each.caption for each in rows)
            yield CaptionedImage(name, name, None, captions, self._bytes(image))
        yield from self._source.captioned_images()

    def read(self, uris: Sequence[str]) -> Iterator[tuple[str, bytes | None]]:
        """Encoded bytes of corrected images and of the source's."""
        corrected = [uri for uri in dict.fromkeys(uris) if uri.startswith(CORRECTED)]
        for uri in corrected:
            yield uri, self._bytes(uri.removeprefix(CORRECTED))
        yield from self._source.read([uri for uri in uris if not uri.startswith(CORRECTED)])

    def _bytes(self, image: str) -> bytes | None:
        folder, name = _place(image)
        files = self._folder(folder)
        return next(iter(files.read([name]))) if files else None

    @cached_property
    def _corrections(self) -> dict[str, list[Correction]]:
        by_image: dict[str, list[Correction]] = defaultdict(list)
        for each in self._table.read():
            require_inside(each.image, self._roots)
            by_image[each.image].append(each)
        return by_image

    def _folder(self, folder: str) -> ImageFiles | None:
        """The images of a folder, which is opened once; None where it is missing."""
        if folder not in self._opened:
            self._opened[folder] = None
            with suppress(SettingsError):
                self._opened[folder] = open_image_files(folder)
        return self._opened[folder]


def _place(image: str) -> tuple[str, str]:
    """The folder of an address, and the name in it."""
    folder, _, name = image.rpartition("/")
    return folder or "/", PurePosixPath(name).name
