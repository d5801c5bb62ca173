"""A prefix in a bucket of an S3 store."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import datetime
from math import inf
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir
from typing import IO, Any, TypeVar

from pipeline.core.errors import BadInput, NightcapError, ObjectUnavailable, SourceChanged
from pipeline.core.reasons import DAMAGED, OTHER_TYPE, REPEATED, TOO_LARGE_FILE, UNAVAILABLE
from pipeline.storage.objects.base import ObjectInfo, is_hidden, moment_told, printable, safe_name
from pipeline.storage.objects.exclusions import Exclusions
from pipeline.storage.objects.ignored import Ignored
from pipeline.storage.objects.image_names import HEAD_BYTES, kind_of
from pipeline.storage.objects.retry import RetryDeadline, TransientError
from pipeline.storage.objects.s3_address import SCHEME, S3Address
from pipeline.storage.objects.s3_client import (
    PART_BYTES,
    Access,
    BadAnswer,
    BadBody,
    Busy,
    KeyRefused,
    connect,
    endpoint_of,
    longest_try,
    plain_etag,
    read_body,
    translated,
)

_PRECONDITION_FAILED = 412
_TRIES = 5  # faults of one object in a row, and others are asked for, to learn whether it is at fault alone
_LATER_TRIES = 3  # the same of 500 and the like once an object was at fault, and others are asked for after each
_OTHERS_ASKED = 8  # objects that are tried to learn whether the store fails or one object

_Result = TypeVar("_Result")


class S3Folder:
    """A prefix in a bucket, at the endpoint and with the credentials that boto3 finds."""

    def __init__(
        self, uri: str, patience_s: float = 300, connections: int = 10, exclusions: Exclusions | None = None
    ) -> None:
        """Name `s3://bucket` or `s3://bucket/prefix`; nothing is asked of the store yet.

        The store may fail to answer for `patience_s`, at least 10; at most `connections` threads read at once. Raises
        SettingsError if the address, the endpoint or the AWS configuration is unusable.
        """
        self._address = S3Address.parse(uri)
        self.uri = str(self._address)
        self.exclusions = exclusions or Exclusions()
        self.ignored = Ignored()
        self.unlisted: list[str] = []
        self._client = connect(patience_s, connections)
        self._patience = RetryDeadline(patience_s, longest_try(patience_s))
        self._given: str | None = None  # the key of an object that could be read
        self._knows_bad_ones = False  # whether an object was at fault while others could be read

    def list(self, under: str = "") -> Iterator[ObjectInfo]:
        """Every object whose name tells no other type, in the store's order; hidden names are skipped."""
        self.ignored.clear()
        before = None
        for page in self._pages(Prefix=self._below(under)):
            for item in page.get("Contents", ()):
                name = item["Key"][len(self._address.prefix) :]
                if is_hidden(name) or name.endswith("/") or not name:  # a slash ends what stands for a folder
                    continue
                reason = self._why_ignored(name, before)
                before = name
                if reason:
                    self.ignored.add(reason, self._uri_of(name))
                else:
                    yield self.info(
                        name, item.get("ETag", ""), item.get("Size", 0), moment_told(item.get("LastModified"))
                    )

    def _why_ignored(self, name: str, before: str | None) -> str | None:
        if name == before:
            return REPEATED
        return OTHER_TYPE if kind_of(name) == "other" else self.exclusions.why(name)

    def folders(self, under: str = "") -> Iterator[str]:
        """Names of the common prefixes directly below `under`."""
        for page in self._pages(Prefix=self._below(under), Delimiter="/"):
            for item in page.get("CommonPrefixes", ()):
                name = item["Prefix"][len(self._address.prefix) : -1]
                if not self.exclusions.why_folder(name):
                    yield name

    def info(self, name: str, etag: str, size: int, modified: datetime) -> ObjectInfo:
        """An object as somebody else listed it; the ETag may be quoted."""
        return ObjectInfo(name, self._uri_of(name), plain_etag(etag), size, modified)

    def head(self, info: ObjectInfo) -> bytes:
        """The first bytes of a listed object."""
        if not info.size:
            return b""
        where = self._where(info.name) | {"Range": f"bytes=0-{HEAD_BYTES - 1}"}
        return self._listed(info, lambda end: self._first(where, end, HEAD_BYTES))

    def read(self, info: ObjectInfo) -> bytes:
        """The bytes that were listed."""
        data = self._listed(info, lambda end: self._get(info, end))
        self._given = info.name
        return data

    def _listed(self, info: ObjectInfo, get: Callable[[float], bytes]) -> bytes:
        """What `get` reads of a listed object; faults of this object alone become BadInput."""
        what, faults = f"read {info.uri}", 0

        def tried(end: float) -> bytes:
            nonlocal faults
            try:
                with translated(what, endpoint_of(self._client), "read"):
                    return get(end)
            except TransientError as error:
                faults += 1
                tries = self._tries_after(error)
                if tries and (faults == tries or self._knows_bad_ones):
                    if not self._gives_others(info.name):
                        faults = 0  # the store's, so they say nothing of this object
                    elif faults >= tries:
                        raise self._at_fault(info, f"failed {faults} times: {error}", error) from error
                raise

        try:
            return self._patience.call(what, tried)
        except KeyRefused as refused:
            if self._gives_others(info.name):
                raise
            raise refused.of_the_store from refused
        except ObjectUnavailable as error:
            if isinstance(error.__cause__, (BadAnswer, BadBody)) and self._gives_others(info.name):
                raise self._at_fault(info, str(error), error.__cause__) from error
            raise

    def _tries_after(self, error: TransientError) -> int | None:
        """After how many such faults of one object others are asked for; None to wait as long as for the store."""
        if isinstance(error, Busy):
            return _TRIES if self._knows_bad_ones else None
        if isinstance(error, BadAnswer):
            return _LATER_TRIES if self._knows_bad_ones else _TRIES
        return _TRIES if isinstance(error, BadBody) else None

    def _at_fault(self, info: ObjectInfo, fault: str, error: TransientError) -> BadInput:
        self._knows_bad_ones = True
        reason = DAMAGED if isinstance(error, BadBody) else UNAVAILABLE
        remedy = "upload it again" if reason == DAMAGED else "mend this one"
        message = f"{info.uri}: {fault}; the store gives other objects: {remedy}, then replay {reason}"
        return BadInput(reason, message)

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

    def get(self, name: str, most_bytes: int | None = None) -> bytes | None:
        """The bytes of one object, if it exists."""
        where = self._where(safe_name(name))
        try:
            return self._call(
                "read", name, lambda end: self._get_current(where, end, inf if most_bytes is None else most_bytes)
            )
        except SourceChanged:  # the store has no such object
            return None
        except KeyRefused as refused:
            raise refused.of_the_store from refused

    def delete(self, name: str) -> None:
        """Remove one object, if it exists."""
        where = self._where(safe_name(name))
        self._call("write", name, lambda _: self._client.delete_object(**where))

    def _uri_of(self, name: str) -> str:
        return printable(f"{SCHEME}{self._address.bucket}/{self._address.prefix}{name}")

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

    def _gives_others(self, name: str) -> bool:
        """Whether the store gives another object at the first try."""
        try:
            with translated(f"list {self.uri}", endpoint_of(self._client), "list"):
                keys = [self._given] if self._given not in {None, name} else self._other_names(name)
        except (NightcapError, TransientError):
            return False
        return any(self._gives(key) for key in keys if key is not None)

    def _other_names(self, name: str) -> Sequence[str | None]:
        """A few names from all of the first page of a listing."""
        page = self._client.list_objects_v2(Bucket=self._address.bucket, Prefix=self._address.prefix)
        keys = [item["Key"][len(self._address.prefix) :] for item in page.get("Contents", ()) if item.get("Size")]
        others = [key for key in keys if key != name]
        return others[:: -(-len(others) // _OTHERS_ASKED) or 1]

    def _gives(self, name: str) -> bool:
        try:
            with translated(f"read {self._uri_of(name)}", endpoint_of(self._client), "read"):
                where = self._where(name) | {"Range": "bytes=0-0"}
                return bool(self._first(where, time.monotonic() + self._patience.longest_try_s, 1))
        except (NightcapError, TransientError):
            return False

    def _get(self, info: ObjectInfo, end: float) -> bytes:
        unchanged = {"IfMatch": f'"{info.etag}"'} if info.etag else {}
        answer = self._client.get_object(**self._where(info.name), **unchanged)
        with closing(answer["Body"]) as body:  # itself as a context is the raw stream, with other errors
            etag, size = plain_etag(answer.get("ETag") or info.etag), answer.get("ContentLength", info.size)
            if (etag, size) != (info.etag, info.size):
                raise SourceChanged(f"{info.uri} changed after it was listed: etag was {info.etag}, is {etag}")
            data = read_body(body, end, info.size + 1)
        if len(data) != info.size:  # which no header told
            raise BadBody(f"{endpoint_of(self._client)} sends {len(data):,} bytes of {info.size:,}")
        return data

    def _get_current(self, where: dict[str, str], end: float, most: float = inf) -> bytes:
        answer = self._client.get_object(**where)
        with closing(answer["Body"]) as body:
            length = answer.get("ContentLength", 0)
            data = read_body(body, end, most + 1) if length <= most else b""
        if (size := max(length, len(data))) > most:
            raise BadInput(TOO_LARGE_FILE, f"{where['Key']!r} in {self.uri} has {size:,} bytes; {most:,} are allowed")
        return data

    def _first(self, where: dict[str, str], end: float, most: int) -> bytes:
        """The first bytes of an object, of which a store that heeds no range sends all."""
        answer = self._client.get_object(**where)
        with closing(answer["Body"]) as body:
            return read_body(body, end, most)

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
