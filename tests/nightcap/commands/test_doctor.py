"""What `nightcap doctor --gpu` and the DAG doctor_gpu do with findings; tests/pipeline/training/device_check makes real ones, on CPUs."""

import json

import pytest

from pipeline.core.environment import Home
from pipeline.core.packages import installed_versions
from pipeline.training.device_check import check

LOSSES = [2.0, 1.5, 1.0]
TRIAL = {"losses": LOSSES, "step_s": 0.1, "farthest": {"step": 0, "share": 0.0}}
PASSED = {
    "passed": True,
    "because": [],
    "device": {"names": ["stand-in"]},
    "trials": {"cpu_float32": TRIAL, "gpu_float32": TRIAL, "gpu_as_trained": TRIAL},
}


@pytest.fixture
def found(monkeypatch):
    """What is found where TensorFlow sees a GPU; by default it passes."""
    findings = dict(PASSED)

    def examine(trials):
        assert [trial.name for trial in trials if trial.gpu] == ["gpu_float32", "gpu_as_trained"]
        return findings

    monkeypatch.setattr(check, "gpus", lambda: [{"name": "stand-in"}])
    monkeypatch.setattr(check, "examine", examine)
    return findings


def logged():
    """Runs of the experiment `doctor`, with how they ended and what they tell of a trial."""
    from mlflow import MlflowClient

    client = MlflowClient(Home.from_environment().tracking_uri)
    runs = client.search_runs([client.get_experiment_by_name("doctor").experiment_id])
    curves = {run.info.run_id: client.get_metric_history(run.info.run_id, "gpu_float32_loss") for run in runs}
    return {run.info.run_id: (run.info.status, [each.value for each in curves[run.info.run_id]]) for run in runs}


def test_the_command_prints_and_logs_what_it_found(run, found):
    done = run("doctor", "--gpu")
    assert (done.code, json.loads(done.out)) == (0, PASSED)
    ((made, about),) = logged().items()
    assert about == ("FINISHED", LOSSES)
    assert f"this GPU trains as the CPU does; MLflow run {made}" in " ".join(done.err.split())


def test_the_command_ends_with_1_where_the_gpu_does_not_pass(run, found):
    found.update(passed=False, because=["gpu_float32: the loss of step 2 is off"])
    done = run("doctor", "--gpu")
    assert (done.code, json.loads(done.out)["passed"]) == (1, False)
    assert "the loss of step 2 is off" in done.err
    assert [status for status, _ in logged().values()] == ["FAILED"]


def test_the_dag_logs_what_it_found(found):
    from dags.doctor_gpu import doctor_gpu

    told = doctor_gpu().get_task("examine").python_callable()
    assert told["gpus"] == ["stand-in"]
    assert logged() == {told["run_id"]: ("FINISHED", LOSSES)}


def test_the_report_names_the_engines(run):
    engines = "engines tensorflow and int8" if installed_versions(("openvino",)) else "engine tensorflow only"
    assert engines in run("doctor").out
