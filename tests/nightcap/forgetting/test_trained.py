"""Versions and runs that were trained on a forgotten image."""

import tempfile
from pathlib import Path

import pandas as pd
import pytest

from pipeline.registry.lineage import SNAPSHOT_TAG, START_TAG
from pipeline.registry.versions import DIGEST_TAG, Registry
from tests.nightcap.forgetting.forgetting import forget, mine, traces


@pytest.fixture(params=["disk", "S3"])
def registered(home, request):
    """A version from the snapshot with the image and one from another, and a run with what was evaluated."""
    from mlflow import MlflowClient

    world, secret, _ = home
    place = request.getfixturevalue("s3")[1] + "/mlflow" if request.param == "S3" else world.home.artifacts.as_uri()
    Registry(world.home)  # makes the database
    client = MlflowClient(world.home.tracking_uri)
    run = client.create_run(client.create_experiment("trainings", place)).info.run_id
    (evaluation,) = (path.parent for path in world.home.store.glob("stages/evaluate/*/per_image.parquet") if mine(path))
    client.log_artifacts(run, str(evaluation), "evaluation")
    client.create_registered_model("captioner")
    for snapshot in world.home.store.glob("stages/snapshot/*"):
        tags = {SNAPSHOT_TAG: snapshot.name}
        if mine(snapshot / "images.parquet"):
            client.create_model_version("captioner", "file:///nowhere", run, tags=tags)
        else:
            client.create_model_version("captioner", "file:///nowhere", tags=tags)
    return world, secret, lambda: Path(client.download_artifacts(run, "", tempfile.mkdtemp(dir=world.home.root.parent)))


def test_what_mlflow_keeps_of_the_run(registered, capsys):
    world, secret, download = registered
    assert list(traces(download()))
    forget(world, secret)
    after = download()
    assert list(traces(after)) == []
    assert pd.read_parquet(after / "evaluation/per_image.parquet")["image"].tolist() == ["other.jpg"]
    assert (after / "evaluation/samples/other.jpg.html").exists()
    told = capsys.readouterr().out.splitlines()
    (number,) = (each.version for each in Registry(world.home).versions() if each.run_id)
    assert [line for line in told if "version" in line] == [
        f"captioner version {number} was trained on a forgotten image; train anew without the image, then retire this version"
    ]


@pytest.mark.parametrize("registered", ["disk"], indirect=True)
def test_a_version_that_continues_one_that_was_trained_on_it(registered, capsys):
    world, secret, _ = registered
    registry = Registry(world.home)
    number = {bool(each.run_id): each.version for each in registry.versions()}
    registry.tag("captioner", number[True], {DIGEST_TAG: "1" * 64})
    registry.tag("captioner", number[False], {START_TAG: "1" * 64})
    forget(world, secret)
    assert (
        f"captioner version {number[False]} was trained on a forgotten image, through version {number[True]}; "
        "train anew without the image, then retire this version"
    ) in capsys.readouterr().out.splitlines()
