"""Images that must not be captioned again, kept so that no byte of their names stays.

Each is an empty file under `forgotten/` in the store, named by a keyed hash (BLAKE2b) of the image's name. The key
lies beside the files: a person who has both can still test a guessed name. What a call of `nightcap forget` has begun
is noted there before anything is removed, so that the next call goes on with it.

forgotten/salt                  the key
forgotten/<hash>                an image
forgotten/intents/<hash>.json   what was begun, and how far it has come
"""

from __future__ import annotations

import hashlib
import logging
import re
import secrets
import unicodedata
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

from pipeline.core.errors import Permanent
from pipeline.storage.files import create_bytes, read_json, sync_folder, write_bytes, write_json
from pipeline.storage.locks import exclusive_lock_in_time, shared_lock

log = logging.getLogger(__name__)

_SALT = "salt"
_SALT_BYTES = 32
_ENTRY = re.compile(r"[0-9a-f]{64}")
_PATIENCE_S = 60.0  # for writers; one that was stopped over its write looks at the list when it goes on


@dataclass(frozen=True)
class Forgotten:
    """The hashes of a store's forgotten images, and their key, which is empty if nothing was ever forgotten."""

    salt: bytes
    digests: frozenset[str]

    @classmethod
    def of(cls, store: Path) -> Forgotten:
        """Read the list of a store; Permanent if its key is damaged."""
        folder = store / "forgotten"
        if not (folder / _SALT).is_file():
            return cls(b"", frozenset())
        salt = (folder / _SALT).read_bytes()
        entries = frozenset(path.name for path in folder.iterdir() if _ENTRY.fullmatch(path.name))
        if entries and len(salt) != _SALT_BYTES:
            raise Permanent(
                f"{folder / _SALT} is damaged, so nobody can tell which images were forgotten; restore it from a backup, or "
                f"remove {folder} and run `nightcap forget` again with every list"
            )
        return cls(salt, entries)

    def __contains__(self, image: object) -> bool:
        if not self.digests:
            return False
        name = str(image)
        composed = name if name.isascii() else unicodedata.normalize("NFC", name)  # as another file system may have it
        return self.hashed(name) in self.digests or (composed != name and self.hashed(composed) in self.digests)

    def __bool__(self) -> bool:
        return bool(self.digests)

    def hashes(self, texts: Iterable[str]) -> frozenset[str]:
        """The keyed hashes of texts."""
        return frozenset(map(self.hashed, texts))

    def hashed(self, text: str) -> str:
        """The keyed hash of a text."""
        try:
            data = text.encode("utf-8", "surrogateescape")
        except UnicodeEncodeError:  # half a surrogate pair, which JSON can spell
            data = text.encode("utf-8", "surrogatepass")
        return hashlib.blake2b(data, key=self.salt, digest_size=32).hexdigest()


@dataclass(frozen=True)
class Intent:
    """What some calls of `nightcap forget` are to remove, in keyed hashes, and how far they have come."""

    images: frozenset[str]  # names
    unknown: frozenset[str] = frozenset()  # of these, names that nothing knew
    contents: frozenset[str] = frozenset()  # SHA-256 of the images' bytes
    captions: frozenset[str] = frozenset()  # what their text files may say
    tables: frozenset[str] = frozenset()  # paths of tables of captions
    state: Literal["begun", "done"] = "begun"

    def write(self, store: Path) -> None:
        """Note the intent, safe on the disk."""
        content = {name: value if isinstance(value, str) else sorted(value) for name, value in asdict(self).items()}
        write_json(_intents(store) / f"{self._name}.json", content)

    def recalls(self, others: Iterable[Intent]) -> Intent:
        """The same, with how others recognise their images; those may be this one's."""
        contents = self.contents.union(*(each.contents for each in others))
        return replace(self, contents=contents, captions=self.captions.union(*(each.captions for each in others)))

    def end(self, store: Path) -> None:
        """Note that all is done, also of earlier intents for the same images or some of them."""
        replace(self, state="done").write(store)
        for other in intents_of(store):
            if other.images < self.images:
                (_intents(store) / f"{other._name}.json").unlink(missing_ok=True)

    @property
    def _name(self) -> str:
        return hashlib.sha256("".join(sorted(self.images)).encode()).hexdigest()[:32]


def begun_of(store: Path) -> frozenset[str]:
    """The hashes of the forgotten images that something knew when it was told to forget them."""
    intents = intents_of(store)
    never_known = frozenset[str]().union(*(each.unknown for each in intents))
    return Forgotten.of(store).digests - never_known.difference(*(each.images - each.unknown for each in intents))


def intents_of(store: Path) -> list[Intent]:
    """Every intent of a store; one that a power cut left empty is none, as nothing was removed after it."""
    intents = []
    for path in sorted(_intents(store).glob("*.json")):
        try:
            content = read_json(path)
            sets = {name: frozenset(content[name]) for name in content if name != "state"}
            intents.append(Intent(state=content["state"], **sets))
        except (ValueError, TypeError, KeyError) as error:
            log.warning("%s is damaged and left out: %s", path, error)
    return intents


def remember_to_forget(store: Path, images: Iterable[str]) -> Forgotten:
    """Add images, named as in the table of captions, to a store's list, safe on the disk; returns the list."""
    folder = store / "forgotten"
    key = folder / _SALT
    is_new = create_bytes(key, fresh := secrets.token_bytes(_SALT_BYTES))
    if not is_new and not Forgotten.of(store) and len(key.read_bytes()) != _SALT_BYTES:
        write_bytes(key, fresh)  # a power cut left the other, and nothing was ever hashed with it
    forgotten = Forgotten(key.read_bytes(), frozenset())
    for image in images:
        for name in {image, unicodedata.normalize("NFC", image)}:
            (folder / forgotten.hashed(name)).touch()
    sync_folder(folder)
    return Forgotten.of(store)


@contextmanager
def heeding_forgotten(store: Path) -> Iterator[Forgotten]:
    """Around the last step of a write that may name images: yields the list to ask.

    `nightcap forget` adds to the list and then waits for such blocks. So each of them knows what is forgotten, or is
    over before anything is looked for.
    """
    with shared_lock(_lock(store)):
        yield Forgotten.of(store)


@contextmanager
def while_nobody_writes(store: Path) -> Iterator[None]:
    """Wait until no process is in `heeding_forgotten`, and keep others out of it during the block."""
    with exclusive_lock_in_time(_lock(store), _PATIENCE_S) as is_free:
        if not is_free:
            log.warning("a process that may name forgotten images has not ended its write for %d s", _PATIENCE_S)
        yield


def _intents(store: Path) -> Path:
    return store / "forgotten" / "intents"


def _lock(store: Path) -> Path:
    return store / "forgotten.lock"
