"""Writing files and folders atomically, and their digests."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.core.errors import ObjectUnavailable

if TYPE_CHECKING:
    import pyarrow as pa

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file atomically; without room for it raises as `disk_room`."""
    with _written_beside(path, data) as scratch:
        scratch.replace(path)


def create_bytes(path: Path, data: bytes) -> bool:
    """Make a file, whole, unless there is one of that name; of many processes at once one makes it.

    Returns:
        Whether this call made it.
    """
    with _written_beside(path, data) as scratch:
        try:
            path.hardlink_to(scratch)
            made = True
        except FileExistsError:
            made = False
        scratch.unlink()
    return made


@contextmanager
def disk_room(path: Path) -> Iterator[None]:
    """Around what writes a file or folder, or many below it: that there is no room is told with the path.

    Raises:
        ObjectUnavailable: the disk is full, the file may not grow so large, or nothing may be written there.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in _NO_ROOM:
            raise
        raise ObjectUnavailable(
            f"cannot write {path}: {error.strerror}; make room there, then run this again"
        ) from error


@contextmanager
def _written_beside(path: Path, data: bytes) -> Iterator[Path]:
    """A file with the data, safe on disk, under a name of its own; gone if what is done with it fails."""
    with disk_room(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:80]}.")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            Path(name).chmod(0o644)
            yield Path(name)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 file atomically."""
    write_bytes(path, text.encode())


def write_parquet(path: Path, rows: pa.Table) -> None:
    """Write a Parquet file atomically."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = pa.BufferOutputStream()
    pq.write_table(rows, sink)
    write_bytes(path, sink.getvalue().to_pybytes())


def write_json(path: Path, value: Any) -> None:
    """Write readable, key-sorted JSON atomically."""
    write_text(path, json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False, default=str) + "\n")


def read_json(path: Path) -> Any:
    """Parse a UTF-8 JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))


@contextmanager
def whole_folder(target: Path) -> Iterator[Path]:
    """Yield a scratch folder that becomes `target` when the block ends without an error.

    If another process made `target` meanwhile, its folder stays and the scratch one is dropped. Without room raises as
    `disk_room`.
    """
    with disk_room(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name[:80]}."))
        try:
            yield scratch
            scratch.chmod(0o755)
            try:
                scratch.replace(target)
            except OSError:
                if not target.is_dir():
                    raise
        finally:
            shutil.rmtree(scratch, ignore_errors=True)


def sha256(data: bytes) -> str:
    """Hexadecimal SHA-256 of bytes."""
    return hashlib.sha256(data).hexdigest()


def sha256_file(path: Path) -> str:
    """Hexadecimal SHA-256 of a file, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest_of(value: Any) -> str:
    """Hexadecimal SHA-256 of a JSON-like value, the same whatever the order of its keys."""
    return sha256(json.dumps(value, sort_keys=True, ensure_ascii=False, default=str).encode())
