"""Push how runs of the DAGs ended, and the gate's verdicts, to a Pushgateway."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Final

from pipeline.core.environment import Home
from serving.monitoring.delivery import Metric, Sample, push_samples, warn_undelivered

RUNS, _TRAINING, GATE = "nightcap_runs", "nightcap_training", "nightcap_gate"

RUN_METRICS: Final = {
    "nightcap_run_succeeded_timestamp_seconds": "When a run of the DAG last succeeded, seconds since 1970.",
    "nightcap_run_failed_timestamp_seconds": "When a run of the DAG last failed, seconds since 1970.",
    "nightcap_training_seconds": "What the epochs of the last model took; epochs of a resumed run count, too.",
    "nightcap_training_epochs": "Epochs of the last model, in both stages.",
    "nightcap_training_cider_d": "CIDEr-D of the last model on its test split, as a fraction.",
    "nightcap_training_timestamp_seconds": "When the last model was registered, seconds since 1970.",
    "nightcap_gate_passed": "1 if the last version on trial may be promoted, else 0.",
    "nightcap_gate_challenger_cider_d": "CIDEr-D of the last version on trial, as a fraction.",
    "nightcap_gate_champion_cider_d": "CIDEr-D of the champion on the same images; absent before the first.",
    "nightcap_gate_timestamp_seconds": "When the gate last gave a verdict, seconds since 1970.",
}


def push_run_end(home: Home, dag: str, succeeded: bool) -> None:
    """Push that a run of a DAG ended now; the time of its last end of the other kind stays."""
    name = f"nightcap_run_{'succeeded' if succeeded else 'failed'}_timestamp_seconds"
    _push(home, RUNS, {"dag": dag}, {name: time.time()}, add=True)


def push_training(home: Home, model: str, effort: Mapping[str, float]) -> None:
    """Push the `seconds` and `epochs` that a newly registered version took, and its `cider_d`."""
    values = {f"nightcap_training_{name}": float(value) for name, value in effort.items()}
    _push(home, _TRAINING, {"model": model}, values | {"nightcap_training_timestamp_seconds": time.time()})


def push_verdict(home: Home, model: str, verdict: Mapping[str, Any]) -> None:
    """Push the gate's verdict on a version: `promote`, and the CIDEr-D of `challenger` and `champion`."""
    values = {
        "nightcap_gate_passed": float(verdict["promote"]),
        "nightcap_gate_challenger_cider_d": verdict["challenger"],
        "nightcap_gate_timestamp_seconds": time.time(),
    }
    if verdict["champion"] is not None:
        values["nightcap_gate_champion_cider_d"] = verdict["champion"]
    _push(home, GATE, {"model": model}, values)


def _push(home: Home, job: str, group: Mapping[str, str], values: Mapping[str, float], add: bool = False) -> None:
    if not home.pushgateway:
        return
    metrics = {name: Metric("", RUN_METRICS[name]) for name in values}
    samples = [Sample(name, value) for name, value in values.items()]
    with warn_undelivered("the Pushgateway", ", ".join(values)):
        push_samples(home, job, group, metrics, samples, add)
