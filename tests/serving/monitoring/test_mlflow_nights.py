"""A night's run in MLflow."""

import pytest

from pipeline.core.errors import NightHeld


def test_a_night_has_one_run_whether_it_was_held_back_before_or_not(world):
    from mlflow import MlflowClient

    world.fill(30)
    for number in range(20):
        world.put(f"bad{number:03d}.jpg", b"<html>")
    with pytest.raises(NightHeld):
        world.night(experiment="nights")
    client = MlflowClient(world.home.tracking_uri)
    experiment = client.get_experiment_by_name("nights")
    assert experiment.tags["mlflow.experimentKind"] == "custom_model_development"
    assert "held back" in experiment.tags["mlflow.note.content"]
    (run,) = client.search_runs([experiment.experiment_id])
    assert (run.info.run_name, run.data.tags["state"]) == ("n1 (held back)", "held")
    assert run.data.tags["mlflow.note.content"].startswith("held; 20 of 50 images are quarantined")
    world.night(experiment="nights", accept_quarantine=True)
    (run,) = client.search_runs([experiment.experiment_id])
    assert (run.info.run_name, run.data.tags["state"]) == ("n1", "published")
    assert (run.info.status, run.data.tags["night"], run.data.tags["model_version"]) == ("FINISHED", "n1", "3")
    assert (run.data.metrics["published"], run.data.metrics["images_captioned"]) == (1, 30)
    assert run.data.metrics["top_caption_share"] == pytest.approx(1 / 30, abs=1e-5)
