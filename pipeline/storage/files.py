"""Writing files and folders atomically, and their digests."""

from __future__ import annotations

import ctypes
import errno
import hashlib
import json
import logging
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from pipeline.core.errors import FileDamaged, ObjectUnavailable

if TYPE_CHECKING:
    import pyarrow as pa

log = logging.getLogger(__name__)

_BY_UMASK = 0o666
_OWNER_ONLY = 0o600
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)


@contextmanager
def explain_full_disk(path: Path) -> Iterator[None]:
    """Around writing at or below a path: that the disk has no room, or is read-only, becomes ObjectUnavailable."""
    try:
        yield
    except OSError as error:
        if error.errno not in _NO_ROOM:
            raise
        message = f"cannot write {path}: {error.strerror}; make room there, then run this again"
        raise ObjectUnavailable(message) from error


@contextmanager
def replacing(
    path: Path, prefix: str | None = None, is_synced: bool = True, mode: int = _BY_UMASK, named: Path | None = None
) -> Iterator[IO[bytes]]:
    """Write a file atomically: what the block writes takes the path's place if the block ends without an error.

    The folder must exist. The name of the unfinished file begins with `prefix`. If `is_synced`, its bytes are safe on
    disk before it takes the path's name, and the name is afterwards. A full disk raises as `explain_full_disk`, with the
    path as people know it in `named`.
    """
    with explain_full_disk(named or path), _scratch_file(path, prefix, mode) as file:
        yield file
        _finish(file, is_synced)
        Path(file.name).replace(path)
        if is_synced:
            sync_folder(path.parent)


def write_bytes(path: Path, data: bytes, is_secret: bool = False) -> None:
    """Write a file atomically, in a folder that is made if it is missing; a full disk raises as `explain_full_disk`.

    Only its owner may ever read a secret; who may read another file is the umask's choice.
    """
    with explain_full_disk(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path, mode=_OWNER_ONLY if is_secret else _BY_UMASK) as file:
            file.write(data)


def create_bytes(path: Path, data: bytes) -> bool:
    """Create a file atomically, unless one of that name exists; whether this call did. Of many processes one does."""
    with explain_full_disk(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with _scratch_file(path) as file:
            file.write(data)
            _finish(file)
            try:
                path.hardlink_to(file.name)
            except FileExistsError:
                return False
        sync_folder(path.parent)
    return True


def sync_folder(folder: Path) -> None:
    """Make the names in a folder safe on disk; nothing where the file system cannot."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_file_system(folder: Path) -> None:
    """Make everything safe on disk that was written to a folder's file system; much faster than file by file."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        syncfs = getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)
        if syncfs is None:
            os.sync()
        elif syncfs(descriptor):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(folder))
    finally:
        os.close(descriptor)


@contextmanager
def _scratch_file(path: Path, prefix: str | None = None, mode: int = _BY_UMASK) -> Iterator[IO[bytes]]:
    """A new file in the same folder, of the mode from its first moment; its own name is gone at the end."""
    scratch = _scratch_path(path, prefix)
    try:
        with open(scratch, "xb", opener=lambda name, flags: os.open(name, flags, mode)) as file:
            yield file
    finally:
        scratch.unlink(missing_ok=True)


def _scratch_path(path: Path, prefix: str | None = None) -> Path:
    """An unused name beside a path; unlike `tempfile`'s, what is made there has the mode that the umask leaves."""
    return path.with_name(f"{prefix or f'.{path.name[:80]}.'}{secrets.token_hex(6)}")


def _finish(file: IO[bytes], is_synced: bool = True) -> None:
    file.flush()
    if is_synced:
        os.fsync(file.fileno())
    file.close()


def sync_file(path: Path) -> None:
    """Make a file's bytes safe on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_text(path: Path, text: str, is_secret: bool = False) -> None:
    """Write a UTF-8 file as `write_bytes` does."""
    write_bytes(path, text.encode(), is_secret)


def write_parquet(path: Path, rows: pa.Table) -> None:
    """Write a Parquet file atomically."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = pa.BufferOutputStream()
    pq.write_table(rows, sink)
    write_bytes(path, sink.getvalue().to_pybytes())


def write_json(path: Path, value: Any) -> None:
    """Write readable, key-sorted JSON atomically."""
    write_text(path, _json_text(value))


def create_json(path: Path, value: Any) -> bool:
    """Create a file of JSON as `create_bytes` does."""
    return create_bytes(path, _json_text(value).encode())


def read_json(path: Path, remedy: str = "restore it from a backup") -> Any:
    """Parse a UTF-8 JSON file; FileDamaged, with what to do, if it is empty or cut."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise FileDamaged(
            f"{path} is empty, cut or no JSON ({error}), as a power cut leaves a file; {remedy}"
        ) from error


def read_json_if_whole(path: Path) -> Any:
    """As `read_json`; None if there is no such file, or if it is empty or cut, which is logged."""
    try:
        return read_json(path, "it counts as none")
    except FileNotFoundError:
        return None
    except FileDamaged as error:
        log.warning("%s", error)
        return None


@contextmanager
def creating_folder(target: Path, replaces: bool = False, is_synced: bool = True) -> Iterator[Path]:
    """Create a folder atomically: yields a scratch folder, which becomes `target` if the block ends without an error.

    What is in it is safe on the disk before it takes the name, and the name is afterwards, unless it is not to be synced,
    as where digests tell a cut file. If another process made `target` meanwhile, its folder stays, or goes if this one
    `replaces` it. A full disk raises as `explain_full_disk`.
    """
    with explain_full_disk(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        scratch = _scratch_path(target)
        scratch.mkdir()
        old = _scratch_path(target)
        try:
            yield scratch
            if is_synced:
                sync_file_system(scratch)
            if replaces and target.is_dir():
                target.rename(old)
            try:
                scratch.replace(target)
            except OSError:
                if not target.is_dir():
                    raise
            if is_synced:
                sync_folder(target.parent)
        finally:
            for left in (scratch, old):
                shutil.rmtree(left, ignore_errors=True)


def _json_text(value: Any) -> str:
    return json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False, default=str) + "\n"


def sha256(data: bytes) -> str:
    """Hexadecimal SHA-256 of bytes."""
    return hashlib.sha256(data).hexdigest()


def sha256_file(path: Path) -> str:
    """Hexadecimal SHA-256 of a file, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest_of(value: Any) -> str:
    """Hexadecimal SHA-256 of a JSON-like value; the order of keys makes no difference."""
    return sha256(json.dumps(value, sort_keys=True, ensure_ascii=False, default=str).encode())
