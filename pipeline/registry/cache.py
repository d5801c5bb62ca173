"""The local cache of model files, `cache/models/<digest>`."""

from __future__ import annotations

import logging
import os
import shutil
from contextlib import suppress
from pathlib import Path

from pipeline.core.environment import Home
from pipeline.core.errors import BundleRejected, ModelNotFound
from pipeline.model.bundle import Bundle, read_bundle
from pipeline.model.external.package import ExternalModel, read_external
from pipeline.model.interface import PinnedModel
from pipeline.registry.versions import Registry

log = logging.getLogger(__name__)


def fetch(home: Home, pinned: PinnedModel) -> Bundle | ExternalModel:
    """A version's checked files in the local cache; MLflow is asked only if they are missing or damaged."""
    try:
        return cached(home, pinned)
    except ModelNotFound:
        log.info("fetching %s", pinned.uri)
    except BundleRejected as error:
        log.warning("the cached copy is damaged and fetched anew: %s", error)
    folder = cached_folder(home, pinned.digest)
    shutil.rmtree(folder, ignore_errors=True)
    return download(Registry(home), pinned, folder)


def fetch_bundle(home: Home, pinned: PinnedModel) -> Bundle:
    """As `fetch`; an external captioner raises BundleRejected, and its cached files stay."""
    if pinned.is_external:
        raise BundleRejected(f"{pinned.uri} is an external captioner")
    bundle = fetch(home, pinned)
    assert isinstance(bundle, Bundle)
    return bundle


def cached(home: Home, pinned: PinnedModel) -> Bundle | ExternalModel:
    """A version's files as the cache has them: raises ModelNotFound if absent, BundleRejected if damaged."""
    folder = cached_folder(home, pinned.digest)
    model = _read(pinned, folder)
    with suppress(OSError):
        os.utime(folder)  # the time of its last use
    return model


def download(registry: Registry, pinned: PinnedModel, folder: Path) -> Bundle | ExternalModel:
    """Copy a version's files from MLflow to a folder, and check them."""
    registry.download(pinned.uri, "." if pinned.is_external else "artifacts/bundle", folder)
    return _read(pinned, folder)


def _read(pinned: PinnedModel, folder: Path) -> Bundle | ExternalModel:
    return (read_external if pinned.is_external else read_bundle)(folder, pinned.digest)


def cached_folder(home: Home, digest: str) -> Path:
    """Where the cache keeps the files of a digest."""
    return home.root / "cache" / "models" / digest
