"""A prefix in a bucket of an S3 store."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir
from typing import IO, Any, Self, TypeVar

from pipeline.core.errors import ObjectUnavailable, SettingsError, SourceChanged
from pipeline.storage.objects.base import ObjectInfo, is_hidden, is_image, printable, safe_name, shown
from pipeline.storage.objects.retry import RetryDeadline, TransientError
from pipeline.storage.objects.s3_client import PART_BYTES, Access, connect, endpoint_of, longest_try, translated

SCHEME = "s3://"

_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9]")
_PRECONDITION_FAILED = 412
_CHUNK = 4096  # bytes; a read waits for all of them, however slowly they arrive

_Result = TypeVar("_Result")


@dataclass(frozen=True)
class S3Address:
    """A bucket and the prefix of keys in it, which is empty or ends with a slash."""

    bucket: str
    prefix: str

    @classmethod
    def parse(cls, uri: str) -> Self:
        """An address from `s3://bucket/prefix`; raises SettingsError for other texts."""
        bucket, _, prefix = uri[len(SCHEME) :].partition("/")
        prefix = prefix.strip("/")
        odd = prefix and any(part in {"", ".", ".."} for part in prefix.split("/"))
        if not uri.startswith(SCHEME) or not _BUCKET.fullmatch(bucket) or odd or not prefix.isprintable():
            raise SettingsError(f"{shown(uri)!r} is no address in an object store; use s3://bucket/prefix")
        return cls(bucket, f"{prefix}/" if prefix else "")

    def __str__(self) -> str:
        return f"{SCHEME}{self.bucket}/{self.prefix}".rstrip("/")


class S3Folder:
    """A prefix in a bucket, at the endpoint and with the credentials that boto3 finds."""

    def __init__(self, uri: str, patience_s: float = 300, connections: int = 10) -> None:
        """Name `s3://bucket` or `s3://bucket/prefix`; nothing is asked of the store yet.

        The store may fail to answer for `patience_s`, at least 10; at most `connections` threads read at once. Raises
        SettingsError if the address, the endpoint or the AWS configuration is unusable.
        """
        self._address = S3Address.parse(uri)
        self.uri = str(self._address)
        self.ignored = 0
        self._client = connect(patience_s, connections)
        self._patience = RetryDeadline(patience_s, longest_try(patience_s))

    def list(self, under: str = "") -> Iterator[ObjectInfo]:
        """Every object with an image's suffix or none, in the store's order; hidden names are skipped."""
        self.ignored = 0
        for page in self._pages(Prefix=self._below(under)):
            for item in page.get("Contents", ()):
                name = item["Key"][len(self._address.prefix) :]
                if is_hidden(name) or name.endswith("/") or not name:  # a slash ends what stands for a folder
                    continue
                if is_image(name):
                    yield self.info(name, item["ETag"], item["Size"], _moment(item["LastModified"]))
                else:
                    self.ignored += 1

    def folders(self, under: str = "") -> Iterator[str]:
        """Names of the common prefixes directly below `under`."""
        for page in self._pages(Prefix=self._below(under), Delimiter="/"):
            for item in page.get("CommonPrefixes", ()):
                yield item["Prefix"][len(self._address.prefix) : -1]

    def info(self, name: str, etag: str, size: int, modified: datetime) -> ObjectInfo:
        """An object as somebody else listed it; the ETag may be quoted."""
        uri = printable(f"{SCHEME}{self._address.bucket}/{self._address.prefix}{name}")
        return ObjectInfo(name, uri, etag.strip('"'), size, modified)

    def read(self, info: ObjectInfo) -> bytes:
        """The bytes that were listed."""
        return self._call("read", info.uri, lambda end: self._get(info, end))

    @contextmanager
    def writing(self, name: str) -> Iterator[IO[bytes]]:
        """A file that becomes or replaces one object when the block ends without an error.

        Many bytes go in several parts, and none stays if one fails. Raises ObjectUnavailable if the store fails, or the
        folder for temporary files.
        """
        where = self._where(safe_name(name))
        try:
            with TemporaryDirectory(prefix="nightcap-") as scratch:
                path = Path(scratch, "object")
                with path.open("wb") as file:
                    yield file
                self._call("write", name, lambda _: self._upload(path, where))
        except OSError as error:
            message = f"cannot write {name!r} to {self.uri}: {error.strerror or error}, in {gettempdir()}"
            raise ObjectUnavailable(message) from error

    def create(self, name: str, data: bytes) -> bool:
        """Create one object unless it exists; the store must support If-None-Match."""
        where = self._where(safe_name(name))
        return self._call("write", name, lambda _: self._put_new(where, data))

    def get(self, name: str) -> bytes | None:
        """The bytes of one object, if it exists."""
        where = self._where(safe_name(name))
        try:
            return self._call("read", name, lambda end: self._get_current(where, end))
        except SourceChanged:  # the store has no such object
            return None

    def delete(self, name: str) -> None:
        """Remove one object, if it exists."""
        where = self._where(safe_name(name))
        self._call("write", name, lambda _: self._client.delete_object(**where))

    def _where(self, name: str) -> dict[str, str]:
        return {"Bucket": self._address.bucket, "Key": self._address.prefix + name}

    def _below(self, under: str) -> str:
        return self._address.prefix + (f"{under}/" if under else "")

    def _call(self, access: Access, name: str, act: Callable[[float], _Result]) -> _Result:
        what = f"{access} {name if name.startswith(SCHEME) else f'{self.uri}/{name}'}"

        def tried(end: float) -> _Result:
            with translated(what, endpoint_of(self._client), access):
                return act(end)

        return self._patience.call(what, tried)

    def _pages(self, **where: str) -> Iterator[dict[str, Any]]:
        """Pages of a listing; the next is fetched while the caller works on one."""

        def fetch(token: str | None) -> dict[str, Any]:
            more = {"ContinuationToken": token} if token else {}
            request = {"Bucket": self._address.bucket, **where, **more}
            page = self._call("list", self.uri, lambda _: self._client.list_objects_v2(**request))
            if page.get("IsTruncated") and page.get("NextContinuationToken") in {None, token}:
                raise ObjectUnavailable(f"cannot list {self.uri}: the store repeats a page instead of going on")
            return dict(page)

        with ThreadPoolExecutor(1, "lister") as ahead:
            page = fetch(None)
            while page.get("IsTruncated"):
                following = ahead.submit(fetch, page["NextContinuationToken"])
                yield page
                page = following.result()
            yield page

    def _get(self, info: ObjectInfo, end: float) -> bytes:
        answer = self._client.get_object(**self._where(info.name), IfMatch=f'"{info.etag}"')
        with closing(answer["Body"]) as body:  # itself as a context is the raw stream, with other errors
            if answer["ETag"].strip('"') != info.etag or answer["ContentLength"] != info.size:
                raise SourceChanged(
                    f"{info.uri} changed after it was listed: etag was {info.etag}, is {answer['ETag']}"
                )
            return _read_body(body, end)

    def _get_current(self, where: dict[str, str], end: float) -> bytes:
        with closing(self._client.get_object(**where)["Body"]) as body:
            return _read_body(body, end)

    def _put_new(self, where: dict[str, str], data: bytes) -> bool:
        try:
            self._client.put_object(**where, Body=data, IfNoneMatch="*")
        except self._client.exceptions.ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] != _PRECONDITION_FAILED:
                raise
            return False
        return True

    def _upload(self, path: Path, where: dict[str, str]) -> None:
        from boto3.s3.transfer import TransferConfig

        parts = TransferConfig(multipart_threshold=PART_BYTES, multipart_chunksize=PART_BYTES, max_concurrency=4)
        with path.open("rb") as file:  # upload_file would wrap the client's errors in others
            self._client.upload_fileobj(file, *where.values(), Config=parts)


def _read_body(body: Any, end: float) -> bytes:
    """A whole body, which must arrive before the end, however slowly."""
    pieces = []
    while piece := body.read(_CHUNK):
        pieces.append(piece)
        if time.monotonic() > end:
            raise TransientError("it comes too slowly")
    return b"".join(pieces)


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
