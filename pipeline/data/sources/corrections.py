"""A source whose snapshots people's corrections join."""

from __future__ import annotations

import logging
import shlex
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any

from pipeline.core.errors import SettingsError
from pipeline.data.sources.base import CaptionedImage, Source
from pipeline.data.sources.image_files import ImageFiles, open_image_files
from pipeline.storage.files import digest_of
from pipeline.storage.objects import address_of, require_inside
from pipeline.storage.objects.s3_address import SCHEME
from pipeline.storage.tables.corrections import CORRECTED, Correction, CorrectionTable

log = logging.getLogger(__name__)


class CorrectedImages:
    """Images by their addresses, all below some roots; methods raise ObjectUnavailable if disk or store fails.

    An object store is listed folder by folder to find them.
    """

    def __init__(self, roots: Iterable[str]) -> None:
        self._roots = tuple(roots)
        self._opened: dict[str, ImageFiles | None] = {}

    def fault(self, image: str) -> str | None:
        """Why an image cannot be read; None if it is there."""
        try:
            return f"there is no file {image!r}" if self._stamp(image) is None else None
        except SettingsError as error:
            return str(error)

    def stamps(self, images: Iterable[str]) -> dict[str, dict[str, Any]]:
        """What changes whenever an image may have changed, by folder and name; None where there is none."""
        stamps: dict[str, dict[str, Any]] = defaultdict(dict)
        for image in images:
            folder, _, name = image.rpartition("/")
            named = stamps[folder or "/"]
            named[name] = None
            with suppress(SettingsError):
                named[name] = self._stamp(image)
        return stamps

    def read(self, image: str) -> bytes | None:
        """An image's encoded bytes; None where unreadable."""
        if self.fault(image):
            return None
        with suppress(SettingsError):  # it has become a link out of its root
            folder, name = self._place(image)
            files = self._folder(folder)
            return next(iter(files.read([name]))) if files else None
        return None

    def _stamp(self, image: str) -> Any:
        require_inside(image, self._roots)
        folder, name = self._place(image)
        files = self._folder(folder)
        return files.stamps([name])[name] if files else None

    def _place(self, image: str) -> tuple[str, str]:
        """Where to open an image from, and its name there: its root, or its folder in a store, which is listed."""
        address = address_of(image)
        if image.startswith(SCHEME):
            folder, _, name = address.rpartition("/")
            return folder, name
        for root in (address_of(root) for root in self._roots if not root.startswith(SCHEME)):
            if Path(address).is_relative_to(root):
                return root, str(Path(address).relative_to(root))
        raise SettingsError(f"{image!r} leads out of the roots")

    def _folder(self, folder: str) -> ImageFiles | None:
        """The images of a folder, which is opened once; None where it is missing."""
        if folder not in self._opened:
            self._opened[folder] = None
            with suppress(SettingsError):
                self._opened[folder] = open_image_files(folder)
        return self._opened[folder]


class CorrectedSource:
    """Corrected images before those of another source, which stays as it is.

    `image` and `uri` of a corrected image are `corrected:` and its address. Corrected images come first, so that of
    two equal images in a split the corrected one stays. One that is not there, or in no root, is unreadable.
    """

    def __init__(self, source: Source, table: CorrectionTable, roots: Iterable[str]) -> None:
        self._source = source
        self._table = table
        self._images = CorrectedImages(roots)

    def fingerprint(self) -> str:
        """Changes with the source, with a correction and with a corrected image."""
        if not self._corrections:
            return self._source.fingerprint()
        texts = [(image, each.who, each.caption) for image, rows in self._corrections.items() for each in rows]
        return digest_of([self._source.fingerprint(), texts, self._images.stamps(self._corrections)])

    def captioned_images(self) -> Iterator[CaptionedImage]:
        """The corrected images, to be put into splits by hash, then the source's."""
        for image, rows in self._corrections.items():
            name, captions = CORRECTED + image, tuple(each.caption for each in rows)
            data = self._images.read(image)
            if data is None:
                log.warning("%s is quarantined: %s", image, self.remark(name))
            yield CaptionedImage(name, name, None, captions, data)
        yield from self._source.captioned_images()

    def read(self, uris: Sequence[str]) -> Iterator[tuple[str, bytes | None]]:
        """Encoded bytes of corrected images and of the source's."""
        corrected = [uri for uri in dict.fromkeys(uris) if uri.startswith(CORRECTED)]
        for uri in corrected:
            yield uri, self._images.read(uri.removeprefix(CORRECTED))
        yield from self._source.read([uri for uri in uris if not uri.startswith(CORRECTED)])

    def remark(self, uri: str) -> str | None:
        """Of a corrected image: who corrected it, why it cannot be read, and how to take the corrections back."""
        if not uri.startswith(CORRECTED):
            return self._source.remark(uri)
        image = uri.removeprefix(CORRECTED)
        people = " and ".join(dict.fromkeys(each.who for each in self._corrections.get(image, ())))
        fault = f": {why}" if (why := self._images.fault(image)) else ""
        return f"a correction by {people}{fault}; to take it back: nightcap correct --undo {shlex.quote(image)}"

    @cached_property
    def _corrections(self) -> dict[str, list[Correction]]:
        by_image: dict[str, list[Correction]] = defaultdict(list)
        for each in self._table.read():
            by_image[each.image].append(each)
        return by_image
