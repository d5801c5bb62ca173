"""Find a model version and load it: a registered one through the cache, a bundle's folder as it is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.core.environment import Home
from pipeline.core.errors import BundleRejected, ModelNotFound, RegistryUnavailable, SettingsError
from pipeline.model.bundle import Bundle, read_bundle
from pipeline.model.captioner import BundleCaptioner
from pipeline.model.interface import Captioner, PinnedModel
from pipeline.model.model_uri import is_model_uri
from pipeline.registry.cache import cached, fetch
from pipeline.registry.last_known import last_known


def pin(home: Home, model: str) -> PinnedModel:
    """The version, with its digest, behind `models:/name@alias`, `models:/name/version` or a bundle's folder."""
    if is_model_uri(model):
        from pipeline.registry.promotions import Promotions

        return Promotions(home).resolve(model)
    bundle = read_bundle(Path(model).resolve())
    return PinnedModel(bundle.path.name, "", bundle.digest, bundle.settings.engine, str(bundle.path))


def load_pinned(home: Home, pinned: PinnedModel, decoding: Mapping[str, Any] | None = None) -> Captioner:
    """The captioner of a pinned version, its files checked against the digest. Cached files need no MLflow.

    `decoding` holds fields of `DecodingSettings` that replace the bundle's own; a wrong one raises SettingsError.
    """
    if pinned.is_external and decoding:
        raise SettingsError(f"{pinned.uri} is an external captioner, whose decoding ({', '.join(decoding)}) is its own")
    files = fetch(home, pinned) if is_model_uri(pinned.uri) else read_bundle(Path(pinned.uri), pinned.digest)
    if isinstance(files, Bundle):
        return BundleCaptioner(files, pinned, decoding)
    from pipeline.model.external.captioner import ExternalCaptioner

    return ExternalCaptioner(files, pinned, home.external)


def pin_last_known(home: Home, model: str) -> PinnedModel:
    """As `last_known`, and RegistryUnavailable if its unaltered files are not cached."""
    pinned = last_known(home, model)
    try:
        cached(home, pinned)
    except (ModelNotFound, BundleRejected) as error:
        raise RegistryUnavailable(f"the last known version of {model} is not on this machine: {error}") from error
    return pinned
