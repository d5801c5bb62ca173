"""Files of unreachable registered versions; their entries in the registry stay."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import Any

from pipeline.core.environment import Home
from pipeline.core.errors import BundleRejected
from pipeline.registry.versions import REMOVED_TAG, Registry, Version
from pipeline.upkeep.gc.mark import Reachable

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class OldVersion:
    """A version whose files may go, with their size in bytes and MLflow's artifact repository."""

    version: Version
    size: int
    repository: Any

    def __str__(self) -> str:
        return f"files of {self.version.name} version {self.version.version}"


def old_versions(reach: Reachable) -> list[OldVersion]:
    """Unreachable versions of Nightcap's own making whose files are there."""
    made = {digest for digest, folder in reach.lineage.bundles.items() if folder in reach.outputs}
    old = [
        _with_size(reach.home, each)
        for each in reach.versions
        if not _is_kept(reach, each)
        and each.created_ms / 1000 < reach.since
        and not each.is_external
        and each.digest not in {None, *made}
    ]
    return [each for each in old if each.size]


def remove_files(reach: Reachable, old: OldVersion) -> bool:
    """Tag a version as without files, then remove them, so that nothing loads half of them; whether it was removed.

    `reach` is of now, as a version that was chosen since its listing stays. A call after a failed one goes on.
    """
    if _is_kept(reach, old.version):
        return False
    registry = Registry(reach.home)
    registry.tag(old.version.name, old.version.version, {REMOVED_TAG: time.strftime("%Y-%m-%d", time.gmtime())})
    with registry.answering():
        old.repository.delete_artifacts()
    return True


def _is_kept(reach: Reachable, version: Version) -> bool:
    kept = {(each.name, each.version) for each in reach.kept_versions}
    return (version.name, version.version) in kept or version.digest in reach.digests


def _with_size(home: Home, version: Version) -> OldVersion:
    with Registry(home).answering():
        import mlflow
        from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

        address = mlflow.MlflowClient(home.tracking_uri).get_model_version_download_uri(version.name, version.version)
        try:
            repository = get_artifact_repository(address)
        except BundleRejected as error:  # anybody with an account can register such a version; nothing of ours is there
            log.warning("files of %s version %s stay: %s", version.name, version.version, error)
            return OldVersion(version, 0, None)
        return OldVersion(version, _size(repository, None), repository)


def _size(repository: Any, path: str | None) -> int:
    items = repository.list_artifacts(path)
    return sum(_size(repository, each.path) if each.is_dir else int(each.file_size or 0) for each in items)
