"""Which objects of an input are no images by their first bytes, as former nights found: 8 bytes of each, in a file."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.core.errors import ObjectUnavailable
from pipeline.storage.files import write_bytes
from pipeline.storage.objects.base import ObjectInfo

log = logging.getLogger(__name__)

_BYTES = 8  # an image is taken for another object by chance once in 10^6 nights of five million


class PassedOver:
    """Objects in one state each, by address and etag; an object that changes is another."""

    def __init__(self, path: Path, rules: str) -> None:
        """Read what is known of an input; nothing where other rules, a digest in hexadecimal, told then."""
        self._path, self._rules = path, bytes.fromhex(rules)
        saved = b""
        with suppress(OSError):  # as if nothing were known
            saved = path.read_bytes()
        known = saved.removeprefix(self._rules) if saved.startswith(self._rules) else b""
        self._known = np.frombuffer(known[: len(known) // _BYTES * _BYTES], np.uint64)
        self._found: list[npt.NDArray[np.uint64]] = []

    def has(self, infos: Sequence[ObjectInfo]) -> list[bool]:
        """Whether each object is known to be no image."""
        if not len(self._known):
            return [False] * len(infos)
        marks = _marks(infos)
        places = np.searchsorted(self._known, marks).clip(max=len(self._known) - 1)  # they are sorted
        return [bool(known) for known in self._known[places] == marks]

    def add(self, infos: Sequence[ObjectInfo]) -> None:
        """Note objects that are no images, those that are known, too."""
        self._found.append(_marks([info for info in infos if info.etag]))

    def save(self, is_whole: bool) -> None:
        """Keep what was added, and unless the whole input was listed, what was known before."""
        kept = np.unique(np.concatenate([self._known[:0] if is_whole else self._known, *self._found]))
        if not np.array_equal(kept, self._known):
            try:
                write_bytes(self._path, self._rules + kept.tobytes())
            except (OSError, ObjectUnavailable) as error:
                log.warning("%s cannot be written, so the next night reads first bytes again: %s", self._path, error)


def _marks(infos: Sequence[ObjectInfo]) -> npt.NDArray[np.uint64]:
    texts = (f"{info.uri}\0{info.etag}".encode("utf-8", "surrogateescape") for info in infos)
    digests = b"".join(blake2b(text, digest_size=_BYTES).digest() for text in texts)
    return np.frombuffer(digests, np.uint64)
