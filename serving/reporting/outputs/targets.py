"""Where outputs go: names under one prefix, each written atomically."""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import IO, Protocol

from pipeline.core.errors import BadInput, ObjectUnavailable, SettingsError
from pipeline.storage.files import replacing, sha256, sync_file_system
from pipeline.storage.locks import exclusive_lock
from pipeline.storage.objects.beneath import NoPlainFile, OutsideRoot, folder_beneath, open_beneath, resolved
from pipeline.storage.objects.s3 import S3Folder
from pipeline.storage.objects.s3_address import SCHEME, S3Address

log = logging.getLogger(__name__)

_LONGEST = 200  # bytes of a part of a name; file systems take 255, and scratch files need some
LONGEST_KEY = 1024  # bytes of a key in a bucket


class OutputTarget(Protocol):
    """A prefix under which names with forward slashes are files or objects."""

    def write(self, name: str) -> AbstractContextManager[IO[bytes]]:
        """A stream whose bytes take the name when the block ends without an error."""

    def read(self, name: str) -> bytes | None:
        """What has the name; None if nothing has."""

    def remove(self, name: str) -> None:
        """Remove what has the name, if anything has."""

    def tidy(self, name: str) -> None:
        """Remove what writers of the name have left half written when they died."""

    def sync(self) -> None:
        """Make safe on the disk what was written."""


class LocalTarget:
    """A folder on this machine."""

    def __init__(self, root: str | Path) -> None:
        """Name a folder, made when something is written."""
        if "://" in str(root):
            raise SettingsError(f"output {str(root)!r} is no local path and no s3://bucket/prefix; name one of these")
        self.root = resolved(root)

    @contextmanager
    def write(self, name: str) -> Iterator[IO[bytes]]:
        """A stream whose bytes take the name when the block ends without an error."""
        path = self._path(name)
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            with (
                self._held(path, is_made=True) as held,
                ExitStack() as until_named,
                replacing(held, _scratch(path), is_synced=False, named=path) as file,
            ):
                until_named.callback(os.close, lock := os.dup(file.fileno()))
                with suppress(OSError):
                    fcntl.flock(lock, fcntl.LOCK_SH)  # so that nobody takes it for a dead writer's
                yield file
        except OutsideRoot as error:
            raise ObjectUnavailable(f"{path} leads out of {self.root} through a link; remove the link") from error
        except OSError as error:
            raise ObjectUnavailable(f"cannot write {path}: {error.strerror or error}") from error

    def read(self, name: str) -> bytes | None:
        """What has the name; None if nothing has."""
        path = self._path(name)
        try:
            with open_beneath(self.root, str(path.relative_to(self.root))) as file:
                return file.read()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (NoPlainFile, OutsideRoot):  # a pipe is not waited for, a link not followed; somebody's all the same
            return b"\0"
        except OSError as error:
            raise ObjectUnavailable(f"cannot read {path}: {error.strerror or error}") from error

    def remove(self, name: str) -> None:
        """Remove what has the name, if anything has."""
        with self._if_there(path := self._path(name)), self._held(path) as held:
            held.unlink()

    def tidy(self, name: str) -> None:
        """Remove what writers of the name have left half written when they died."""
        with self._if_there(path := self._path(name)), self._held(path) as held:
            for left in held.parent.glob(f"{_scratch(path)}*"):
                with exclusive_lock(left) as is_free:
                    if is_free:
                        left.unlink(missing_ok=True)

    def sync(self) -> None:
        """Make safe on the disk what was written."""
        if self.root.is_dir():
            sync_file_system(self.root)

    def _path(self, name: str) -> Path:
        return self.root.joinpath(*_parts(name))

    @contextmanager
    def _if_there(self, path: Path) -> Iterator[None]:
        """Nothing of ours is where nothing is, nor where a link leads out, which a warning tells."""
        try:
            yield
        except (FileNotFoundError, NotADirectoryError):
            pass
        except OutsideRoot:
            log.warning("%s leads out of %s through a link: nothing is removed there", path, self.root)

    @contextmanager
    def _held(self, path: Path, is_made: bool = False) -> Iterator[Path]:
        """A path in a folder that stays this one, though others swap folders for links meanwhile."""
        with folder_beneath(self.root, str(path.parent.relative_to(self.root)), is_made) as folder:
            yield folder / path.name


class S3Target:
    """A prefix in a bucket; what is written waits in a temporary file until it is whole."""

    def __init__(self, uri: str, patience_s: float) -> None:
        """Name a prefix as `s3://bucket/prefix`; nothing is asked of the store yet."""
        self._folder = S3Folder(uri, patience_s)
        self._most = LONGEST_KEY - len(S3Address.parse(uri).prefix.encode())

    @contextmanager
    def write(self, name: str) -> Iterator[IO[bytes]]:
        """A stream whose bytes take the name when the block ends without an error."""
        with _allowed(), self._folder.writing(self._key(name)) as file:
            yield file

    def read(self, name: str) -> bytes | None:
        """What has the name; None if nothing has."""
        with _allowed():
            return self._folder.get(self._key(name))

    def remove(self, name: str) -> None:
        """Remove what has the name, if anything has."""
        with _allowed():
            self._folder.delete(self._key(name))

    def tidy(self, name: str) -> None:
        """Nothing: an object is whole or not there."""

    def sync(self) -> None:
        """Nothing: the store has it."""

    def _key(self, name: str) -> str:
        """The name with the parts that a local folder would give it, so that both hold the same."""
        key = "/".join(_parts(name))
        return key if len(key.encode()) <= self._most else _part(key)


def target_of(uri: str, patience_s: float) -> OutputTarget:
    """The place that an output names; SettingsError if it is neither a local path nor `s3://bucket/prefix`."""
    return S3Target(uri, patience_s) if uri.startswith(SCHEME) else LocalTarget(uri)


@contextmanager
def _allowed() -> Iterator[None]:
    """What concerns one object of an input concerns the whole of an output."""
    try:
        yield
    except BadInput as error:
        raise SettingsError(f"{error}; an output must be listed, read, written and removed there") from error


def _scratch(path: Path) -> str:
    """How the name of a file that will become another begins, in the same folder."""
    return f".nightcap-{sha256(path.name.encode('utf-8', 'surrogateescape'))[:16]}-"


def _parts(name: str) -> list[str]:
    """One file a name: an empty part, or one that is a dot, has a name of its own, too."""
    return [_part(part) for part in name.split("/")]


def _part(part: str) -> str:
    """A part of a name as a file may be called: no way up, nothing that is not printable, not too long."""
    safe = "".join(char if char.isprintable() and char != "\\" else "_" for char in part)
    encoded = safe.encode("utf-8", "replace")
    if safe in {"", ".", ".."} or safe != part or len(encoded) > _LONGEST:
        stem, ending = encoded[: _LONGEST - 32].decode("utf-8", "ignore").lstrip("."), PurePosixPath(safe).suffix
        kept = ending if len(ending.encode("utf-8", "replace")) <= 8 else ""
        return f"{stem}~{sha256(part.encode('utf-8', 'surrogatepass'))[:16]}{kept}"
    return safe
