import pytest

from pipeline.core.environment import Home
from pipeline.core.errors import Permanent
from pipeline.training.device_check.findings import log_findings, refuse

FINDINGS = {
    "passed": True,
    "because": [],
    "device": {"names": ["H200"]},
    "trials": {"gpu": {"losses": [6.0, None, 4.0], "farthest": {"share": None, "step": 1}, "step_s": 0.5}},
}


def test_what_passes_is_not_refused():
    refuse(FINDINGS)


def test_every_reason_is_in_the_refusal():
    with pytest.raises(Permanent, match=r"one; two; see docs/gpu\.md"):
        refuse(FINDINGS | {"passed": False, "because": ["one", "two"]})


def test_losses_and_times_that_are_numbers_become_metrics(tmp_path):
    import mlflow

    home = Home(tmp_path, tmp_path / "store", f"sqlite:///{tmp_path / 'mlflow.db'}")
    run = log_findings(home, FINDINGS)
    client = mlflow.MlflowClient(home.tracking_uri)
    logged = client.get_run(run)
    assert (logged.info.status, logged.data.tags["gpus"]) == ("FINISHED", "H200")
    assert {each.step: each.value for each in client.get_metric_history(run, "gpu_loss")} == {0: 6.0, 2: 4.0}
    assert logged.data.metrics["gpu_step_s"] == 0.5
    assert "gpu_farthest" not in logged.data.metrics
