"""`nightcap models list` and `nightcap doctor`."""

import json
from datetime import datetime

import pytest


def test_versions_as_a_table(run, trained):
    done = run("models", "list")
    assert (done.code, done.err) == (0, "")
    row = next(line for line in done.out.splitlines() if "captioner" in line)
    assert "challenger" in done.out
    assert "champion" in done.out
    assert row.startswith("│ captioner │ 1 ")
    assert "passed" in done.out


def test_versions_as_json(run, trained):
    done = run("models", "list", "--json")
    [row] = [json.loads(line) for line in done.out.splitlines()]
    assert (row["name"], row["version"]) == ("captioner", "1")
    assert sorted(row["aliases"]) == ["challenger", "champion"]
    assert len(row["bundle_digest"]) == 64
    assert row["test_cider_d"] >= 0
    assert row["gate"] == "passed"
    assert row["verdict"].startswith("there is no champion yet")
    assert datetime.fromisoformat(row["created"]).tzinfo


def test_versions_of_another_model(run, trained):
    assert run("models", "list", "painter").out == "no version of painter\n"
    assert run("models", "list", "painter", "--json").out == ""


def test_a_version_is_verified_and_promoted_by_hand(run, trained):
    done = run("models", "verify", "1")
    assert (done.code, done.out.split(";")[0]) == (0, "captioner version 1: 3 golden captions reproduced")
    assert run("models", "promote", "1").out == "captioner version 1 is the champion already\n"


def test_an_empty_registry(run):
    done = run("models", "list")
    assert (done.code, done.out) == (0, "no versions yet; `nightcap train` registers the first\n")


def test_a_healthy_home(run, trained):
    done = run("doctor")
    assert (done.code, done.err) == (0, "")
    assert "FAIL" not in done.out
    assert f"ok   MLflow at {trained.tracking_uri}, model versions: 1" in done.out
    assert "ok   champion captioner/1" in done.out


def test_a_registry_that_does_not_answer(run, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    done = run("doctor")
    assert done.code == 1
    failed = [line for line in done.out.splitlines() if line.startswith("FAIL")]
    assert len(failed) == 1
    assert "http://127.0.0.1:9" in failed[0]


def gpus():
    import tensorflow as tf

    return tf.config.list_physical_devices("GPU")


def test_without_a_gpu_there_is_none_to_compare(run):
    if gpus():
        pytest.skip("this machine has a GPU")
    assert run("doctor", "--gpu").refused(2, "TensorFlow sees no GPU", "nightcap[cuda]", "docs/gpu.md")


def test_this_gpu_trains_as_the_cpu_does(run):
    if not gpus():
        pytest.skip("needs a GPU")
    done = run("doctor", "--gpu")
    findings = json.loads(done.out)
    assert (done.code, findings["passed"], findings["because"]) == (0, True, [])
    assert findings["trials"]["gpu_float32"]["cudnn"]
