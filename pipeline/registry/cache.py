"""Versions on this machine: files by digest, and which version a name stood for when a night was last planned."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from pipeline.core.environment import Home
from pipeline.core.errors import BundleRejected, ModelNotFound
from pipeline.model.interface import PinnedModel

log = logging.getLogger(__name__)

BUNDLE, ALL_FILES = "artifacts/bundle", "."

_Model = TypeVar("_Model")
Read = Callable[[Path, str], _Model]


def fetch(home: Home, pinned: PinnedModel, read: Read[_Model], part: str = BUNDLE) -> _Model:
    """A version's files in the local cache; MLflow is asked only if they are missing or damaged.

    Args:
        home: where the cache is.
        pinned: the version.
        read: checks and reads a folder, given the digest that it must have.
        part: of what MLflow keeps of the version.

    Raises:
        BundleRejected: the version holds no such part, or not what was registered.
        RegistryUnavailable: it must be fetched, and MLflow does not answer.
    """
    from pipeline.registry.versions import Registry

    try:
        return cached(home, pinned, read)
    except ModelNotFound:
        log.info("fetching %s", pinned.uri)
    except BundleRejected as error:
        log.warning("the cached copy is damaged and fetched anew: %s", error)
    target = _folder(home, pinned)
    shutil.rmtree(target, ignore_errors=True)
    Registry(home).download(pinned.uri, part, target)
    return read(target, pinned.digest)


def cached(home: Home, pinned: PinnedModel, read: Read[_Model]) -> _Model:
    """A version's files as the local cache has them.

    Raises:
        ModelNotFound: they are not there.
        BundleRejected: they are damaged.
    """
    folder = _folder(home, pinned)
    found = read(folder, pinned.digest)
    with suppress(OSError):
        os.utime(folder)  # the time of its last use
    return found


def _folder(home: Home, pinned: PinnedModel) -> Path:
    return home.root / "cache" / "models" / pinned.digest
