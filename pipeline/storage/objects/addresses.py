"""From an address to a folder, and which addresses are allowed."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from pipeline.core.errors import SettingsError
from pipeline.storage.objects.base import Folder, shown
from pipeline.storage.objects.beneath import resolved
from pipeline.storage.objects.exclusions import Exclusions
from pipeline.storage.objects.local import LocalFolder
from pipeline.storage.objects.s3 import S3Folder
from pipeline.storage.objects.s3_address import SCHEME, S3Address

RETRY_DEADLINE_S = 300


def open_folder(
    uri: str,
    patience_s: float = RETRY_DEADLINE_S,
    connections: int = 10,
    bound: bool = True,
    exclusions: Exclusions | None = None,
) -> Folder:
    """The folder at a local path or `s3://bucket/prefix`; no store is asked yet.

    A store may fail to answer for `patience_s`, and at most `connections` threads read from it at once. If `bound`,
    links in a local folder must stay in it. Listings leave out the exclusions, at least the folders of systems.
    """
    if uri.startswith(SCHEME):
        return S3Folder(uri, patience_s, connections, exclusions)
    return LocalFolder(local_path(uri), bound, exclusions)


def local_path(uri: str) -> Path:
    """A local path; raises SettingsError for an empty one and for addresses of other kinds."""
    scheme, separator, _ = uri.partition("://")
    if separator or uri.lower().startswith("file:"):
        kind, hint = scheme.partition(":")[0], "name a local folder by its path, or s3://bucket/prefix"
        raise SettingsError(f"{shown(uri)!r}: {kind}: is not supported; {hint}")
    if not uri or "\0" in uri:
        fault = "has a null character" if uri else "is empty"
        raise SettingsError(f"input {fault}; name a local folder, or s3://bucket/prefix")
    return Path(uri)


def address_of(uri: str) -> str:
    """The address as `Folder.uri` has it."""
    return str(S3Address.parse(uri)) if uri.startswith(SCHEME) else str(_resolved(uri))


def require_inside(uri: str, roots: Iterable[str]) -> None:
    """Raise SettingsError for an address that none of the roots holds; links are followed first."""
    roots = tuple(roots)
    if not any(_holds(root, uri) for root in roots):
        named = ", ".join(roots) or "no roots"
        raise SettingsError(f"{shown(uri)!r} lies in none of {named}; add its folder to NIGHTCAP_ROOTS")


def _holds(root: str, uri: str) -> bool:
    if uri.startswith(SCHEME) != root.startswith(SCHEME):
        return False
    if uri.startswith(SCHEME):
        outer, inner = S3Address.parse(root), S3Address.parse(uri)
        return outer.bucket == inner.bucket and inner.prefix.startswith(outer.prefix)
    return _resolved(uri).is_relative_to(_resolved(root))


def _resolved(uri: str) -> Path:
    try:
        return resolved(local_path(uri))
    except OSError as error:
        raise SettingsError(f"{shown(uri)!r} cannot be followed: {error.strerror}; name a path that stays") from error
