"""What MLflow keeps of a run, on a disk or in an object store: mentions of some texts are taken out of it."""

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
    """Scrub every file that MLflow keeps of a run, as `pipeline.storage.scrub.scrub_folder` does; tell how many it struck.

    Raises:
        RegistryUnavailable: MLflow does not answer.
        ObjectUnavailable: the object store does not let its files be read or written.
    """
    registry = Registry(home)
    with tempfile.TemporaryDirectory() as scratch, registry.answering(), _reaching(run):
        from mlflow import MlflowClient
        from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

        client = MlflowClient(home.tracking_uri)
        if not client.list_artifacts(run):
            return 0
        place = get_artifact_repository(client.get_run(run).info.artifact_uri)
        folder = Path(client.download_artifacts(run, "", scratch))
        files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
        struck = [path for path in files if scrub(path, texts)]
        for path in struck:
            name = path.relative_to(folder)
            if path.exists():
                client.log_artifact(run, str(path), str(name.parent) if name.parent.name else None)
            else:
                place.delete_artifacts(str(name))  # type: ignore[no-untyped-call]
        return len(struck)


@contextmanager
def _reaching(run: str) -> Iterator[None]:
    """MLflow reaches object stores through boto3, and lets its errors through."""
    try:
        yield
    except Exception as error:
        if type(error).__module__.split(".")[0] not in ("boto3", "botocore"):
            raise
        raise ObjectUnavailable(
            f"the files of MLflow's run {run} cannot be read or written: {error}; check the AWS credentials and their "
            f"rights, then run this again"
        ) from error
