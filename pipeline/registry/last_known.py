"""Which version a registry's address stood for when a night was last planned, kept for when MLflow does not answer."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from pipeline.core.environment import Home
from pipeline.core.errors import RegistryUnavailable
from pipeline.model.interface import PinnedModel
from pipeline.model.model_uri import is_model_uri
from pipeline.storage.files import read_json, sha256, write_json


def remember(home: Home, uri: str, pinned: PinnedModel) -> None:
    """Keep in the store which version a registry's address stands for."""
    known = {"model": uri, "pinned": asdict(pinned)}
    path = _memory(home, uri)
    if is_model_uri(uri) and not (path.is_file() and read_json(path) == known):
        write_json(path, known)


def last_known(home: Home, uri: str) -> PinnedModel:
    """Which version a registry's address stood for when a night was last planned with it.

    Raises:
        RegistryUnavailable: none was since an alias last moved.
    """
    path = _memory(home, uri)
    if not path.is_file():
        raise RegistryUnavailable(f"no night was planned with {uri} since it was last promoted, so no version is known")
    return PinnedModel(**read_json(path)["pinned"])


def forget(home: Home, uri: str) -> None:
    """What an address stood for counts no more."""
    _memory(home, uri).unlink(missing_ok=True)


def _memory(home: Home, uri: str) -> Path:
    return home.store / "last_known" / f"{sha256(uri.encode())[:16]}.json"
