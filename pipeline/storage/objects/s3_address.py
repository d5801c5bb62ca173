"""The address of a prefix in a bucket."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self

from pipeline.core.errors import SettingsError
from pipeline.storage.objects.base import shown

SCHEME = "s3://"

_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9]")


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
