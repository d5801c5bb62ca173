"""Files of registered versions that nothing reaches; what the registry knows of the versions stays."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from pipeline.core.environment import Home
from pipeline.registry.versions import REMOVED_TAG, Registry, Version
from pipeline.upkeep.gc.mark import Reachable


@dataclass(frozen=True)
class OldVersion:
    """A version whose files may go.

    Attributes:
        version: which.
        size: bytes of its files.
        folder: MLflow's repository of them.
    """

    version: Version
    size: int
    folder: Any

    def __str__(self) -> str:
        return f"files of {self.version.name} version {self.version.version}"


def old_versions(reach: Reachable) -> list[OldVersion]:
    """Versions of ours that nothing reaches and whose files are there.

    Raises:
        RegistryUnavailable: MLflow does not answer.
    """
    made = {digest for digest, folder in reach.lineage.bundles.items() if folder in reach.outputs}
    found = [
        _opened(reach.home, each)
        for each in reach.versions
        if not _is_kept(reach, each)
        and each.created_ms / 1000 < reach.since
        and not each.is_external
        and each.digest not in {None, *made}
    ]
    return [each for each in found if each.size]


def remove_files(reach: Reachable, old: OldVersion) -> bool:
    """Say in the registry that its files are gone, then remove them; nobody loads what is half removed.

    Args:
        reach: as it is now: the version stays if it was chosen since it was listed.
        old: what was listed.

    Returns:
        Whether they went.

    Raises:
        RegistryUnavailable: MLflow or its artifacts cannot be reached; the next call goes on.
    """
    if _is_kept(reach, old.version):
        return False
    registry = Registry(reach.home)
    registry.tag(old.version.name, old.version.version, {REMOVED_TAG: time.strftime("%Y-%m-%d", time.gmtime())})
    with registry.answering():
        old.folder.delete_artifacts()
    return True


def _is_kept(reach: Reachable, version: Version) -> bool:
    kept = {(each.name, each.version) for each in reach.kept_versions}
    return (version.name, version.version) in kept or version.digest in reach.digests


def _opened(home: Home, version: Version) -> OldVersion:
    with Registry(home).answering():
        import mlflow
        from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

        address = mlflow.MlflowClient(home.tracking_uri).get_model_version_download_uri(version.name, version.version)
        folder = get_artifact_repository(address)
        return OldVersion(version, _size(folder, None), folder)


def _size(folder: Any, path: str | None) -> int:
    found = folder.list_artifacts(path)
    return sum(_size(folder, each.path) if each.is_dir else int(each.file_size or 0) for each in found)
