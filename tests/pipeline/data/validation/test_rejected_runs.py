"""Data that were rejected leave their Data Docs where people read those of accepted ones, and only there."""

from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.core.environment import Home
from pipeline.core.errors import DatasetRejected
from pipeline.core.settings import TrainSettings, ValidationSettings
from pipeline.storage.files import write_text
from pipeline.training.run import TrainingRun
from pipeline.training_pipeline import run_stage
from pipeline.upkeep.forget import Forgetting


@pytest.fixture(scope="module")
def run(new_dataset, tmp_path_factory):
    """A training on far too few images, one of which cannot be trained on."""
    dataset, root = new_dataset(), tmp_path_factory.mktemp("rejected")
    dataset.fill(6)
    dataset.add("odd.png", ["a caption of nobody"])
    home = Home(root, root / "store", f"sqlite:///{root / 'mlflow.db'}", mlflow_url="http://mlflow")
    settings = TrainSettings(source=dataset.settings(), validation=ValidationSettings(min_images=50))
    return run_stage("snapshot", TrainingRun(settings, home))


def rejected(run):
    with pytest.raises(DatasetRejected, match="dataset rejected: train_images is") as caught:
        run_stage("validate", run)
    return caught.value


def test_the_data_docs_are_in_one_failed_run_of_mlflow(run):
    from mlflow import MlflowClient

    error = rejected(run)
    assert rejected(run).page == error.page
    client = MlflowClient(run.home.tracking_uri)
    [found] = client.search_runs([client.get_experiment_by_name(run.settings.registry.experiment).experiment_id])
    assert (found.info.status, found.data.tags["rejected"]) == ("FAILED", error.docs.parents[1].name)
    assert found.data.tags["snapshot"] == run.done["snapshot"]
    assert found.data.tags["mlflow.note.content"] == str(error)
    assert error.page.startswith("http://mlflow/#/experiments/")
    assert error.page.endswith(f"/runs/{found.info.run_id}/artifactPath/rejected/index.html")
    page = client.download_artifacts(found.info.run_id, "rejected/index.html")
    assert "Rejected" in Path(page).read_text()
    assert [item.path for item in client.list_artifacts(found.info.run_id)] == ["rejected"]  # no quarantine


def test_that_mlflow_does_not_answer_hides_no_rejection(run, caplog):
    error = rejected(replace(run, home=replace(run.home, tracking_uri="http://127.0.0.1:9")))
    assert error.docs.is_file()
    assert error.page is None
    assert "the Data Docs of what was rejected are not in MLflow" in caplog.text


def test_an_image_that_is_forgotten_is_in_none_of_it(run):
    error = rejected(run)
    kept = error.docs.parents[1]
    copies = [
        kept / "data_docs" / "mention.html",
        *(folder / "mention.html" for folder in run.home.artifacts.glob("*/artifacts/rejected")),
    ]
    for page in copies:
        write_text(page, "odd.png has no image")
    assert Forgetting(run.home, frozenset({"odd.png"}), frozenset()).run([]) >= len(copies) == 2
    assert not any(page.exists() for page in copies)
