"""Tell a Pushgateway how runs of the DAGs ended and what the gate said. It can stop nobody: what fails is a warning."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import Any, Final

from pipeline.core.environment import Home
from pipeline.core.redaction import scrubbed

log = logging.getLogger(__name__)

_TIMEOUT_S: Final = 10.0
RUNS, _TRAINING, GATE = "nightcap_runs", "nightcap_training", "nightcap_gate"

RUN_METRICS: Final = {
    "nightcap_run_succeeded_timestamp_seconds": "When a run of the DAG last succeeded, seconds since 1970.",
    "nightcap_run_failed_timestamp_seconds": "When a run of the DAG last failed, seconds since 1970.",
    "nightcap_training_seconds": "What the epochs of the last model took; those found done by an earlier run count, too.",
    "nightcap_training_epochs": "Epochs of the last model, in both stages.",
    "nightcap_training_cider_d": "CIDEr-D of the last model on its test split, as a fraction.",
    "nightcap_training_timestamp_seconds": "When the last model was registered, seconds since 1970.",
    "nightcap_gate_passed": "1 if the last version on trial may be promoted, else 0.",
    "nightcap_gate_challenger_cider_d": "CIDEr-D of the last version on trial, as a fraction.",
    "nightcap_gate_champion_cider_d": "CIDEr-D of the champion on the same images; absent before the first.",
    "nightcap_gate_timestamp_seconds": "When the gate last judged, seconds since 1970.",
}


def push_run_end(home: Home, dag: str, succeeded: bool) -> None:
    """Push that a run of a DAG ended now; when it last ended the other way stays."""
    name = f"nightcap_run_{'succeeded' if succeeded else 'failed'}_timestamp_seconds"
    _push(home, RUNS, {"dag": dag}, {name: time.time()}, replace=False)


def push_training(home: Home, model: str, effort: Mapping[str, float]) -> None:
    """Push what a newly registered version took and is worth.

    Args:
        home: names the Pushgateway, if any.
        model: name of the registered model.
        effort: `seconds`, `epochs` and `cider_d`.
    """
    values = {f"nightcap_training_{name}": float(value) for name, value in effort.items()}
    stamped = values | {"nightcap_training_timestamp_seconds": time.time()}
    _push(home, _TRAINING, {"model": model}, stamped, replace=True)


def push_verdict(home: Home, model: str, verdict: Mapping[str, Any]) -> None:
    """Push what the gate says of a version.

    Args:
        home: names the Pushgateway, if any.
        model: name of the registered model.
        verdict: in short, with `promote`, `challenger` and `champion`.
    """
    values = {
        "nightcap_gate_passed": float(verdict["promote"]),
        "nightcap_gate_challenger_cider_d": verdict["challenger"],
        "nightcap_gate_timestamp_seconds": time.time(),
    }
    if verdict["champion"] is not None:
        values["nightcap_gate_champion_cider_d"] = verdict["champion"]
    _push(home, GATE, {"model": model}, values, replace=True)


def _push(home: Home, job: str, group: Mapping[str, str], values: Mapping[str, float], replace: bool) -> None:
    """Push gauges of a group, in place of all its others or only of those of the same names."""
    if not home.pushgateway:
        return
    try:
        from prometheus_client import CollectorRegistry, Gauge, push_to_gateway, pushadd_to_gateway

        registry = CollectorRegistry()
        for name, value in values.items():
            Gauge(name, RUN_METRICS[name], registry=registry).set(value)
        push = push_to_gateway if replace else pushadd_to_gateway
        push(home.pushgateway, job, registry, dict(group), _TIMEOUT_S)
    except Exception as error:  # whatever it is, the run matters more
        log.warning("the Pushgateway was not told of %s: %s", ", ".join(values), scrubbed(error))
