"""Data Docs of rejected data, kept in MLflow beside those of accepted data."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

from pipeline.core.environment import Home
from pipeline.core.errors import DatasetRejected, NightcapError
from pipeline.registry.lineage import SNAPSHOT_TAG
from pipeline.registry.versions import NOTE_TAG, TRAININGS_NOTE, Registry

log = logging.getLogger(__name__)

REJECTED = "rejected"  # tag and artifact folder of a run, by which forgetting finds it


def keep_docs(home: Home, experiment: str, snapshot: str, rejected: DatasetRejected) -> None:
    """Log the Data Docs of rejected data as a failed MLflow run, the same one each time, and set `rejected.page`.

    The quarantine, which may hold personal data, stays in the store. An MLflow that does not answer is a warning.
    """
    if rejected.docs is None:
        return
    try:
        registry = Registry(home)
        tags = {SNAPSHOT_TAG: snapshot, NOTE_TAG: str(rejected)}
        run_id = _logged(home, registry, experiment, tags, rejected.docs.parent)
        rejected.page = registry.run_page(run_id, f"{REJECTED}/{rejected.docs.name}")
    except NightcapError as error:
        log.warning("validate: the Data Docs of what was rejected are not in MLflow: %s", error)
    else:
        log.info("validate: why the data were rejected is in MLflow's run %s", rejected.page or run_id)


def _logged(home: Home, registry: Registry, experiment: str, tags: Mapping[str, str], docs: Path) -> str:
    """The id of the run with these Data Docs, created unless there is one."""
    from mlflow import MlflowClient

    experiment_id, digest = registry.experiment(experiment, TRAININGS_NOTE), docs.parent.name
    with registry.answering():
        client = MlflowClient(home.tracking_uri)
        complete = f"tags.{REJECTED} = '{digest}' and attributes.status = 'FAILED'"
        for run in client.search_runs([experiment_id], complete, max_results=1):
            return str(run.info.run_id)
        run = client.create_run(experiment_id, tags={REJECTED: digest, **tags}, run_name="rejected data")
        client.log_artifacts(run.info.run_id, str(docs), REJECTED)
        client.set_terminated(run.info.run_id, "FAILED")
        return str(run.info.run_id)
