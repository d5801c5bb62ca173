"""Copies of all objects of a bucket, whatever their names."""

from __future__ import annotations

import errno
import hashlib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from pipeline.core.errors import ObjectUnavailable, Permanent, SourceChanged
from pipeline.core.parallel import in_parallel
from pipeline.storage.files import sha256_file
from pipeline.storage.objects.retry import TransientError
from pipeline.storage.objects.s3 import S3Folder

THREADS = 8
# Names that no file may have, or not beside others: an object may have the name of another's folder.
_OF_NAMES = {errno.EEXIST, errno.EINVAL, errno.EISDIR, errno.ENAMETOOLONG, errno.ENOTDIR}


class Bucket(S3Folder):
    """A bucket, or a prefix in it (`s3://bucket/prefix`), whose objects become files and files objects."""

    def __init__(self, uri: str) -> None:
        super().__init__(uri, connections=THREADS)

    def names(self) -> Iterator[str]:
        """Every object below the prefix, without those that only stand for a folder."""
        for page in self._pages(Prefix=self._address.prefix):
            for item in page.get("Contents", ()):
                name = item["Key"][len(self._address.prefix) :]
                if name and not name.endswith("/"):
                    yield name

    def save(self, folder: Path, fleeting: bool = False) -> int:
        """Copy every object to a file; their number. `fleeting` allows that objects are removed meanwhile."""
        return sum(in_parallel(lambda name: self._save(name, folder, fleeting), self.names(), THREADS))

    def add(self, folder: Path, names: Iterator[str]) -> int:
        """Copy files to objects, each read back, unless they are there already; their number."""
        return sum(in_parallel(lambda name: self._add(folder / name, name), names, THREADS))

    def digest(self, name: str) -> str | None:
        """SHA-256 of an object, read in pieces; None if it is not there."""

        def read(_: float) -> str:
            digest = hashlib.sha256()
            with closing(self._client.get_object(**self._where(name))["Body"]) as body:
                for piece in body.iter_chunks(1 << 20):
                    digest.update(piece)
            return digest.hexdigest()

        try:
            return self._call("read", name, read)
        except SourceChanged:  # the store has no such object
            return None

    def _save(self, name: str, folder: Path, fleeting: bool) -> bool:
        path = folder / name
        try:
            if "\0" in name or any(part in {"", ".", ".."} for part in name.split("/")):
                raise OSError(errno.EINVAL, "it has an empty part, `.`, `..` or a zero")
            path.parent.mkdir(parents=True, exist_ok=True)
            self._call("read", name, lambda _: self._fetch(name, path))
        except SourceChanged:
            if not fleeting:
                raise
            return False
        except OSError as error:
            advice = "rename the object" if error.errno in _OF_NAMES else "look at the disk"
            raise ObjectUnavailable(
                f"object {self.uri}/{name} cannot be kept as file {path}: {error.strerror}; {advice}"
            ) from error
        return True

    def _fetch(self, name: str, path: Path) -> None:
        from boto3.exceptions import Boto3Error
        from s3transfer.exceptions import S3DownloadFailedError

        try:
            self._client.download_file(*self._where(name).values(), str(path))
        except (Boto3Error, S3DownloadFailedError) as error:
            reason = getattr(error, "last_exception", error)
            raise TransientError(f"the download broke off: {reason}") from error

    def _add(self, path: Path, name: str) -> bool:
        wanted, there = sha256_file(path), self.digest(name)
        if there is None:
            self._call("write", name, lambda _: self._upload(path, self._where(name)))
            if self.digest(name) != wanted:
                raise ObjectUnavailable(f"{self.uri}/{name} does not read back as it was written; check the store")
        elif there != wanted:
            raise Permanent(
                f"{self.uri}/{name} is there with another content than {path}, and nothing is written over it; if it is "
                "from a move that was stopped, remove it there, then begin again"
            )
        return True
