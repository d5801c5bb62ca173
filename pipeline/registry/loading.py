"""Find a model version and load it: a registered one through the cache, a bundle's folder as it is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.core.environment import Home
from pipeline.core.errors import BundleRejected, ModelNotFound, RegistryUnavailable, SettingsError
from pipeline.model.bundle import read_bundle
from pipeline.model.captioner import BundleCaptioner
from pipeline.model.external.package import read_external
from pipeline.model.interface import EXTERNAL, Captioner, PinnedModel
from pipeline.registry.cache import ALL_FILES, cached, fetch
from pipeline.registry.last_known import last_known


def load_captioner(home: Home, model: str, decoding: Mapping[str, Any] | None = None) -> Captioner:
    """The captioner behind `models:/name@alias`, `models:/name/version` or a bundle's folder.

    Args:
        home: where the registry and the cache are.
        model: which model.
        decoding: fields of `DecodingSettings` that replace the bundle's own.

    Raises:
        SettingsError: a field of `decoding` is unknown or wrong.
        ModelNotFound: nothing is there.
        BundleRejected: what is there is damaged or not what was registered.
        RegistryUnavailable: MLflow does not answer.
    """
    return load_pinned(home, pin(home, model), decoding)


def pin(home: Home, model: str) -> PinnedModel:
    """One version that stays the same while it is used, by its digest; raises as `load_captioner`."""
    if model.startswith("models:/"):
        from pipeline.registry.promotions import Promotions

        return Promotions(home).resolve(model)
    bundle = read_bundle(Path(model).resolve())
    return PinnedModel(bundle.path.name, "", bundle.digest, bundle.settings.engine, str(bundle.path))


def load_pinned(home: Home, pinned: PinnedModel, decoding: Mapping[str, Any] | None = None) -> Captioner:
    """The captioner of a pinned version, its files checked against the pinned digest; raises as `load_captioner`.

    What the cache holds already is loaded although MLflow does not answer.
    """
    if pinned.engine == EXTERNAL:
        return _external(home, pinned, decoding)
    if pinned.uri.startswith("models:/"):
        return BundleCaptioner(fetch(home, pinned, read_bundle), pinned, decoding)
    return BundleCaptioner(read_bundle(Path(pinned.uri), pinned.digest), pinned, decoding)


def pin_last_known(home: Home, model: str) -> PinnedModel:
    """The version that a registry's address stood for when a night was last planned, if its files are here, unaltered.

    Raises:
        RegistryUnavailable: no version is known, or its files are not here.
    """
    pinned = last_known(home, model)
    try:
        if pinned.engine == EXTERNAL:
            cached(home, pinned, read_external)
        else:
            cached(home, pinned, read_bundle)
    except (ModelNotFound, BundleRejected) as error:
        raise RegistryUnavailable(f"the last known version of {model} is not on this machine: {error}") from error
    return pinned


def _external(home: Home, pinned: PinnedModel, decoding: Mapping[str, Any] | None) -> Captioner:
    from pipeline.model.external.captioner import ExternalCaptioner

    if decoding:
        raise SettingsError(f"{pinned.uri} is an external captioner, whose decoding ({', '.join(decoding)}) is its own")
    return ExternalCaptioner(fetch(home, pinned, read_external, ALL_FILES), pinned, home.external)
