"""Queues, pods, pools and retries that the DAGs share."""

import pytest

from tests.dags.forms import FIELDS


def test_what_fills_a_machine_waits_for_a_slot_and_no_night_for_a_training(dags):
    pools = {(dag, name): task["pool"] for dag, found in dags.items() for name, task in found["tasks"].items()}
    assert {key: pool for key, pool in pools.items() if pool != "default_pool"} == {
        ("train_captioner", "provide_encoder"): "gpu",
        ("train_captioner", "extract_shard"): "gpu",
        ("train_captioner", "train"): "gpu",
        ("train_captioner", "refine"): "gpu",
        ("doctor_gpu", "examine"): "gpu",
        ("train_captioner", "calibrate"): "gpu",
        ("train_captioner", "evaluate"): "gpu",
        ("caption_nightly", "caption"): "model",
    }


def queues(facts, kind, what="queue"):
    dags = facts[kind]["dags"].items()
    return {(dag, name): task[what] for dag, found in dags for name, task in found["tasks"].items()}


def test_training_and_what_needs_a_gpu_may_have_workers_of_their_own(facts):
    assert set(queues(facts, "usual").values()) == {"default"}
    made = {key for key in queues(facts, "usual") if key[0] in ("train_captioner", "rollback_captioner", "doctor_gpu")}
    made |= {("tend_tables", "tend_corrections"), ("watch_corrections", "count")}
    apart = queues(facts, "training_apart")
    assert {key for key, queue in apart.items() if queue == "training"} == made
    names = ("provide_encoder", "extract_shard", "train", "refine", "calibrate", "evaluate")
    gpu = {("train_captioner", name) for name in names} | {("doctor_gpu", "examine")}
    assert {key for key, queue in queues(facts, "gpu_apart").items() if queue == "gpu"} == gpu
    assert {key for key, queue in queues(facts, "gpu_apart").items() if queue == "training"} == made - gpu
    assert set(queues(facts, "usual", "pod").values()) == {None}
    templates = {**dict.fromkeys(made, "/pods/training.yaml"), **dict.fromkeys(gpu, "/pods/gpu.yaml")}
    assert queues(facts, "pods", "pod") == dict.fromkeys(queues(facts, "usual")) | templates


def test_promotions_and_rollbacks_tell_of_a_captioner_and_corrections_are_watched(dags):
    told = {(dag, name): task["outlets"] for dag, found in dags.items() for name, task in found["tasks"].items()}
    assert {key: outlets for key, outlets in told.items() if outlets} == {
        ("train_captioner", "promote"): ["captioner"],
        ("rollback_captioner", "rollback"): ["captioner"],
        ("watch_corrections", "count"): ["corrections"],
    }


@pytest.mark.parametrize("dag", FIELDS)
def test_only_what_may_pass_is_tried_again(dags, dag):
    for name, task in dags[dag]["tasks"].items():
        again = {error for error, action in task["on"].items() if action == "default"}
        ours = {"NightcapError", "Retryable", "RegistryUnavailable", "ObjectUnavailable", "DecoderUnavailable"}
        assert again == {"OSError", *ours}, name
        assert {action for error, action in task["on"].items() if error not in again} == {"fail"}, name
        assert {"Permanent", "SettingsError", "DatasetRejected", "BadInput"} <= task["on"].keys()
        assert task["retries"] == 2, name
