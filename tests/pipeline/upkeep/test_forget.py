"""Images leave the outputs of trainings, by name and by content."""

from contextlib import nullcontext

import pandas as pd
import pytest
from mlflow import MlflowClient

from pipeline.core.errors import StageOutputRejected
from pipeline.data.validation.rejected_runs import REJECTED
from pipeline.registry.versions import Registry
from pipeline.storage.files import read_json, sha256
from pipeline.storage.stage_outputs import Store, list_files
from pipeline.upkeep.forget import Forgetting
from tests.pipeline.registry.light_registry import home_in
from tests.pipeline.training.training_outputs import train


def trained(tmp_path):
    home = home_in(tmp_path)
    done = train(home, "one", {"keep.jpg": "train", "secret.jpg": "val"}, "b" * 64)
    captions = pd.DataFrame({"image": ["keep.jpg", "secret.jpg"], "caption": ["a dog", "Ada at home"]})
    captions.to_parquet(done["snapshot"].path / "captions.parquet")
    return home, done


def rows_of(output):
    return pd.read_parquet(output.path / "images.parquet")["image"].tolist()


def test_what_a_snapshot_knew_of_an_image(tmp_path):
    home, done = trained(tmp_path)
    (trace,) = Forgetting(home, frozenset({"/data/secret.jpg"}), frozenset()).traces
    assert (trace.snapshot, trace.names, trace.splits) == (
        done["snapshot"].path,
        {"secret.jpg", "/data/secret.jpg"},
        {"val"},
    )
    assert trace.texts == {
        "secret.jpg",
        "/data/secret.jpg",
        "Ada at home",
        sha256(b"secret.jpg"),
        sha256(b"secret.jpg")[:16],
    }


def test_snapshot_accepted_rows_and_features_lose_it(tmp_path):
    home, done = trained(tmp_path)
    forgetting = Forgetting(home, frozenset(), frozenset({sha256(b"secret.jpg")}))
    assert forgetting.run(forgetting.exposed()) > 0
    assert rows_of(done["snapshot"]) == rows_of(done["validate"]) == ["keep.jpg"]
    captions = pd.read_parquet(done["snapshot"].path / "captions.parquet")
    assert captions["caption"].tolist() == ["a dog"]
    kept = [sha for index in (home.store / "features").glob("*/*.json") for sha in read_json(index)]
    assert kept == [sha256(b"keep.jpg")]


def test_20_3_what_others_put_into_an_output_is_scrubbed_and_not_taken_for_its_own(tmp_path):
    home, done = trained(tmp_path)
    for output in done.values():
        list_files(output.path)
    (done["validate"].path / "planted.csv").write_text("secret.jpg,Ada at home")
    (done["validate"].path / "planted.h5").write_text("weights")
    forgetting = Forgetting(home, frozenset(), frozenset({sha256(b"secret.jpg")}))
    forgetting.run(forgetting.exposed())
    names = {path.name for path in done["validate"].path.iterdir()}
    assert ("planted.csv" in names, "planted.h5" in names) == (False, True)
    listed = [(done[stage].path / "SHA256SUMS").read_text() for stage in ("snapshot", "validate")]
    assert "planted" not in "".join(listed)
    for stage, is_used in (("snapshot", True), ("validate", False)):
        with nullcontext() if is_used else pytest.raises(StageOutputRejected):
            Store(home.store).find(stage, done[stage].digest)


def test_an_image_that_nobody_knows_changes_nothing(tmp_path):
    home, done = trained(tmp_path)
    forgetting = Forgetting(home, frozenset({"/data/other.jpg"}), frozenset())
    assert (forgetting.traces, forgetting.run([])) == ([], 0)
    assert rows_of(done["snapshot"]) == ["keep.jpg", "secret.jpg"]


def test_a_run_that_names_another_host_for_its_files_stops_nobody(tmp_path, caplog):
    """Whoever has an account at MLflow may make one."""
    home, done = trained(tmp_path)
    Registry(home)
    client = MlflowClient(home.tracking_uri)
    evil = client.create_experiment("evil", artifact_location="ftp://evil.example/x")
    run = client.create_run(evil, tags={REJECTED: "true"}).info.run_id
    forgetting = Forgetting(home, frozenset(), frozenset({sha256(b"secret.jpg")}))
    assert forgetting.run(forgetting.exposed()) > 0
    assert rows_of(done["snapshot"]) == ["keep.jpg"]
    assert f"MLflow's run {run} was left as it is" in caplog.text
