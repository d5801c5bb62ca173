"""Train for some steps on the CPU and on a GPU, each in a process of its own, and compare the losses."""

from __future__ import annotations

import logging
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pipeline.core.subprocesses import module_environment, run_module
from pipeline.training.device_check.compare import Trial, device_shortfalls, distance, learns
from pipeline.training.environment import describe_device, versions
from pipeline.training.precision import policy

log = logging.getLogger(__name__)

_FORMAT = 1
STEPS = 200
TRIAL_TIMEOUT_S = 1800
NO_GPU = (
    "TensorFlow sees no GPU, so there is nothing to compare with the CPU; on a machine with an NVIDIA GPU put "
    "nightcap[cuda] in place of tensorflow-cpu (docs/gpu.md), and see that nvidia-smi lists it"
)
_REFERENCE = Trial("cpu_float32", gpu=False, precision="float32", tolerance=0.0)


def gpus() -> list[dict[str, Any]]:
    """TensorFlow's details of each GPU, without taking its memory."""
    import tensorflow as tf

    devices = tf.config.list_physical_devices("GPU")
    return [{"name": each.name, **tf.config.experimental.get_device_details(each)} for each in devices]


def standard_trials() -> list[Trial]:
    """On a GPU: in float32, and as it trains."""
    return [
        Trial("gpu_float32", gpu=True, precision="float32", tolerance=0.001),
        Trial("gpu_as_trained", gpu=True, precision=policy(), tolerance=0.01),
    ]


def examine(trials: Sequence[Trial]) -> dict[str, Any]:
    """Take the steps on the CPU in float32, then in each trial; the findings as JSON.

    `passed`, and in `because` every reason why not; `device` and `versions`; `trials` by name, each with the result of
    `take_steps`, its `tolerance`, and `farthest`, where it is farthest from the CPU.
    """
    import tensorflow as tf

    with tempfile.TemporaryDirectory(prefix="nightcap-device-") as scratch:
        weights = Path(scratch) / "first.weights.h5"
        results = {trial.name: _run_trial(trial, weights) for trial in (_REFERENCE, *trials)}
    reference = results[_REFERENCE.name]
    because = learns(reference)
    if not because:
        because = [reason for trial in trials for reason in device_shortfalls(trial, reference, results[trial.name])]
    build = tf.sysconfig.get_build_info()
    return {
        "format": _FORMAT,
        "passed": not because,
        "because": because,
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "steps": STEPS,
        "device": describe_device() | {"gpus": gpus()},
        "built_for": {name: build.get(f"{name}_version") for name in ("cuda", "cudnn")},
        "versions": versions(),
        "trials": {trial.name: _compared(trial, reference, results[trial.name]) for trial in (_REFERENCE, *trials)},
    }


def _compared(trial: Trial, reference: Mapping[str, Any], result: Mapping[str, Any]) -> dict[str, Any]:
    figures = {"gpu": trial.gpu, "precision": trial.precision, "tolerance": trial.tolerance, **result}
    if "error" in reference or "error" in result:
        return figures
    farthest = asdict(distance(reference["losses"], result["losses"]))
    return figures | {"farthest": farthest if farthest["share"] < float("inf") else farthest | {"share": None}}


def _run_trial(trial: Trial, weights: Path) -> dict[str, Any]:
    log.info("%s: %d steps", trial.name, STEPS)
    # Hidden, for where TensorFlow sees a GPU it places cuDNN's operations there, whatever device is asked for.
    environment = module_environment() | ({} if trial.gpu else {"CUDA_VISIBLE_DEVICES": "-1"})
    try:
        return run_module(
            "pipeline.training.device_check.steps",
            trial.precision,
            STEPS,
            weights,
            env=environment,
            timeout_s=TRIAL_TIMEOUT_S,
            folder=weights.parent,
        )
    except subprocess.TimeoutExpired:
        return {"error": f"did not take {STEPS} steps in {TRIAL_TIMEOUT_S} s"}
    except subprocess.CalledProcessError as error:
        return {"error": f"ended with {error.returncode}: {' '.join(error.stderr.split())[-500:]}"}
