"""The version that a model URI stood for when a night was last planned, kept for when MLflow does not answer."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from pipeline.core.environment import Home
from pipeline.core.errors import RegistryUnavailable
from pipeline.model.interface import PinnedModel
from pipeline.model.model_uri import is_model_uri
from pipeline.storage.files import read_json_if_whole, sha256, write_json


def remember(home: Home, uri: str, pinned: PinnedModel) -> None:
    """Keep in the store which version a model URI stands for."""
    path, entry = _path(home, uri), {"model": uri, "pinned": asdict(pinned)}
    if is_model_uri(uri) and read_json_if_whole(path) != entry:
        write_json(path, entry)


def last_known(home: Home, uri: str) -> PinnedModel:
    """The version of a model URI when a night was last planned; RegistryUnavailable if none was since it moved."""
    entry = read_json_if_whole(_path(home, uri))
    if entry is None:
        raise RegistryUnavailable(f"no night was planned with {uri} since it was last promoted, so no version is known")
    return PinnedModel(**entry["pinned"])


def forget(home: Home, uri: str) -> None:
    """Remove the last known version of a model URI."""
    _path(home, uri).unlink(missing_ok=True)


def _path(home: Home, uri: str) -> Path:
    return home.store / "last_known" / f"{sha256(uri.encode())[:16]}.json"
