"""The whole check on a machine without a GPU: processes of the CPU against each other, findings and their run in MLflow."""

import json
from pathlib import Path

import pytest

from pipeline.core.environment import Home
from pipeline.core.errors import Permanent
from pipeline.training.device_check import check
from pipeline.training.device_check.compare import Trial
from pipeline.training.device_check.findings import log_findings, refuse

STEPS = 40
TRIALS = (
    Trial("again", gpu=False, precision="float32", tolerance=1e-4),
    Trial("coarse", gpu=False, precision="mixed_bfloat16", tolerance=1e-4),
    Trial("unknown", gpu=False, precision="float31", tolerance=1.0),
)


@pytest.fixture(scope="module")
def findings():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(check, "STEPS", STEPS)
        return check.examine(TRIALS)


def test_the_cpu_trains_as_itself(findings):
    again, reference = findings["trials"]["again"], findings["trials"]["cpu_float32"]
    assert len(again["losses"]) == STEPS
    assert again["farthest"]["share"] <= 1e-4
    assert reference["losses"][-1] < 0.5 * reference["losses"][0]


def test_without_a_gpu_the_recurrence_is_a_loop(findings):
    reference = findings["trials"]["cpu_float32"]
    assert (reference["weights_on"], reference["cudnn"], reference["peak_gpu_bytes"]) == (["CPU"], {}, None)
    assert reference["loops"] == 2  # there and back


def test_another_precision_is_distinguished_and_refused(findings):
    assert not findings["passed"]
    coarse, unknown = findings["because"]
    assert coarse.startswith("coarse: the loss of step ")
    assert unknown.startswith("unknown ended with 1: ")
    assert "float31" in unknown
    with pytest.raises(Permanent, match=r"coarse: .*; unknown ended .*docs/gpu\.md"):
        refuse(findings)


def test_findings_say_where_and_with_what(findings):
    assert findings["steps"] == STEPS
    assert len(findings["device"]["gpus"]) == len(findings["device"]["names"])
    assert findings["versions"]["keras"]
    assert json.loads(json.dumps(findings, allow_nan=False)) == findings


def test_findings_are_a_run_in_mlflow(findings, tmp_path):
    import mlflow

    home = Home(tmp_path, tmp_path / "store", f"sqlite:///{tmp_path / 'mlflow.db'}")
    run = log_findings(home, findings)
    client = mlflow.MlflowClient(home.tracking_uri)
    result = client.get_run(run)
    assert (result.data.tags["passed"], result.info.status) == ("false", "FAILED")
    assert client.get_experiment(result.info.experiment_id).name == "doctor"
    losses = [each.value for each in client.get_metric_history(run, "coarse_loss")]
    assert losses == findings["trials"]["coarse"]["losses"]
    assert result.data.metrics["coarse_farthest"] == findings["trials"]["coarse"]["farthest"]["share"]
    file = mlflow.artifacts.download_artifacts(run_id=run, artifact_path="doctor.json", tracking_uri=home.tracking_uri)
    assert json.loads(Path(file).read_text()) == findings
