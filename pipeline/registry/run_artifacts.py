"""The artifacts of an MLflow run, on a disk or in an object store: mentions of texts are removed."""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.core.environment import Home
from pipeline.core.errors import ObjectUnavailable
from pipeline.registry.versions import Registry
from pipeline.storage.scrub import scrub


def scrub_run(home: Home, run: str, texts: Collection[str]) -> int:
    """Scrub every artifact of a run, as `pipeline.storage.scrub.scrub_folder` does; the number of changed files."""
    registry = Registry(home)
    with tempfile.TemporaryDirectory() as scratch, registry.answering(), _store_errors(run):
        from mlflow import MlflowClient
        from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

        client = MlflowClient(home.tracking_uri)
        if not client.list_artifacts(run):
            return 0
        repository = get_artifact_repository(client.get_run(run).info.artifact_uri)
        folder = Path(client.download_artifacts(run, "", scratch))
        files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
        changed = [path for path in files if scrub(path, texts)]
        for path in changed:
            name = path.relative_to(folder)
            if path.exists():
                client.log_artifact(run, str(path), str(name.parent) if name.parent.name else None)
            else:
                repository.delete_artifacts(str(name))  # type: ignore[no-untyped-call]
        return len(changed)


@contextmanager
def _store_errors(run: str) -> Iterator[None]:
    """Raise ObjectUnavailable for the errors of boto3, which MLflow lets through."""
    try:
        yield
    except Exception as error:
        if type(error).__module__.split(".")[0] not in ("boto3", "botocore"):
            raise
        raise ObjectUnavailable(
            f"the files of MLflow's run {run} cannot be read or written: {error}; check the AWS credentials and their "
            f"rights, then run this again"
        ) from error
