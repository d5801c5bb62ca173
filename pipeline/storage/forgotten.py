"""Images that must not be captioned again, kept so that no byte of their names stays.

Each is an empty file under `forgotten/` in the store, named by a keyed hash (BLAKE2b) of the image's name. The key
lies beside the files: a person who has both can still test a guessed name.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pipeline.storage.files import create_bytes

_SALT = "salt"
_ENTRY = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Forgotten:
    """The hashes of a store's forgotten images, and their key, which is empty if nothing was ever forgotten."""

    salt: bytes
    digests: frozenset[str]

    @classmethod
    def of(cls, store: Path) -> Forgotten:
        """Read the list of a store."""
        folder = store / "forgotten"
        if not (folder / _SALT).is_file():
            return cls(b"", frozenset())
        entries = (path.name for path in folder.iterdir() if _ENTRY.fullmatch(path.name))
        return cls((folder / _SALT).read_bytes(), frozenset(entries))

    def __contains__(self, image: object) -> bool:
        return bool(self.digests) and _digest(str(image), self.salt) in self.digests

    def __bool__(self) -> bool:
        return bool(self.digests)


def remember_to_forget(store: Path, images: Iterable[str]) -> None:
    """Add images, named as in the table of captions, to a store's list."""
    folder = store / "forgotten"
    key = folder / _SALT
    if not key.is_file():
        create_bytes(key, secrets.token_bytes(32))
    salt = key.read_bytes()
    for image in images:
        (folder / _digest(image, salt)).touch()


def _digest(image: str, salt: bytes) -> str:
    return hashlib.blake2b(image.encode("utf-8", "surrogateescape"), key=salt, digest_size=32).hexdigest()
