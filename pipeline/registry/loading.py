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
from pipeline.registry.journal import Journal
from pipeline.registry.last_known import last_known


def pin(home: Home, model: str) -> PinnedModel:
    """The version, with its digest, behind `models:/name@alias`, `models:/name/version` or a bundle's folder."""
    if is_model_uri(model):
        from pipeline.registry.promotions import Promotions

        return Promotions(home).resolve(model)
    bundle = read_bundle(Path(model).resolve())
    return PinnedModel(bundle.path.name, "", bundle.digest, bundle.settings.engine, str(bundle.path))


def load_pinned(
    home: Home, pinned: PinnedModel, decoding: Mapping[str, Any] | None = None, trusted: bool = False
) -> Captioner:
    """The captioner of a pinned version, its files checked against the digest. Cached files need no MLflow.

    `decoding` holds fields of `DecodingSettings` that replace the bundle's own; a wrong one raises SettingsError. So does
    an external captioner that the journal does not name, unless a person has just `trusted` its code. Bundles are data.
    """
    if pinned.is_external and not trusted:
        require_authorised(home, pinned)
    if pinned.is_external and decoding:
        raise SettingsError(f"{pinned.uri} is an external captioner, whose decoding ({', '.join(decoding)}) is its own")
    files = fetch(home, pinned) if is_model_uri(pinned.uri) else read_bundle(Path(pinned.uri), pinned.digest)
    if isinstance(files, Bundle):
        return BundleCaptioner(files, pinned, decoding)
    from pipeline.model.external.captioner import ExternalCaptioner

    return ExternalCaptioner(files, pinned, home.external)


def require_authorised(home: Home, pinned: PinnedModel) -> None:
    """Raise SettingsError unless the promotion journal names exactly this version, with this digest and engine."""
    if Journal.of(home).authorising(pinned) is not None:
        return
    if pinned.is_external:
        raise SettingsError(
            f"{pinned.uri} runs code of others, and the promotion journal does not name it with digest "
            f"{pinned.digest[:12]}; tags and aliases in MLflow count for nothing. If you trust its code: "
            f"nightcap models external {pinned.uri}"
        )
    raise SettingsError(
        f"{pinned.uri} has never been promoted, and NIGHTCAP_PROMOTED_ONLY lets nights caption with no other; promote "
        "it, or leave the model as it is by default"
    )


def pin_last_known(home: Home, model: str) -> PinnedModel:
    """As `last_known`, and RegistryUnavailable if its unaltered files are not cached."""
    pinned = last_known(home, model)
    try:
        cached(home, pinned)
    except (ModelNotFound, BundleRejected) as error:
        raise RegistryUnavailable(f"the last known version of {model} is not on this machine: {error}") from error
    return pinned
