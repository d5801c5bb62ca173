"""What validation rejected: its Data Docs are kept in MLflow, where people read those of what was accepted."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

from pipeline.core.environment import Home
from pipeline.core.errors import DatasetRejected, NightcapError
from pipeline.registry.lineage import SNAPSHOT_TAG
from pipeline.registry.versions import NOTE_TAG, Registry

log = logging.getLogger(__name__)

REJECTED = "rejected"  # the tag, and the folder of the run, by which forgetting tells it from those of accepted data


def keep_docs(home: Home, experiment: str, snapshot: str, rejected: DatasetRejected) -> None:
    """Give rejected data a failed MLflow run with their Data Docs, the same one each time, and tell its page.

    The quarantine, which may hold personal data, stays in the store. Where MLflow does not answer, that is a warning.

    Args:
        home: where MLflow is.
        experiment: its name.
        snapshot: digest of the snapshot that was judged.
        rejected: what `validate` raised; its `page` is set where an MLflow server shows one.
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
    """The id of the run that holds some Data Docs, made unless there is one."""
    from mlflow import MlflowClient

    experiment_id, digest = registry.experiment(experiment), docs.parent.name
    with registry.answering():
        client = MlflowClient(home.tracking_uri)
        whole = f"tags.{REJECTED} = '{digest}' and attributes.status = 'FAILED'"
        for found in client.search_runs([experiment_id], whole, max_results=1):
            return str(found.info.run_id)
        made = str(
            client.create_run(experiment_id, tags={REJECTED: digest, **tags}, run_name="rejected data").info.run_id
        )
        client.log_artifacts(made, str(docs), REJECTED)
        client.set_terminated(made, "FAILED")
        return made
