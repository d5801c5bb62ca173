"""What becomes of findings: a run in MLflow, and a refusal."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from pipeline.core.environment import Home
from pipeline.core.errors import Permanent

EXPERIMENT = "doctor"


def log_findings(home: Home, findings: Mapping[str, Any]) -> str:
    """Log to MLflow's experiment `doctor`, losses and times as metrics, all as `doctor.json`; returns the run's id."""
    from pipeline.registry.versions import Registry

    registry = Registry(home)
    with registry.answering():
        from mlflow import MlflowClient

        client = MlflowClient(home.tracking_uri)
        tags = {"passed": str(findings["passed"]).lower(), "gpus": ", ".join(findings["device"]["names"])}
        run = str(client.create_run(registry.experiment(EXPERIMENT), tags=tags).info.run_id)
        client.log_dict(run, dict(findings), "doctor.json")
        for name, result in findings["trials"].items():
            client.log_batch(run, metrics=_metrics(name, result))
        client.set_terminated(run, "FINISHED" if findings["passed"] else "FAILED")
    return run


def _metrics(name: str, result: Mapping[str, Any]) -> list[Any]:
    from mlflow.entities import Metric

    now = time.time_ns() // 1_000_000
    losses = [(step, loss) for step, loss in enumerate(result.get("losses", [])) if loss is not None]
    figures = {f"{name}_farthest": result.get("farthest", {}).get("share"), f"{name}_step_s": result.get("step_s")}
    return [
        *(Metric(f"{name}_loss", loss, now, step) for step, loss in losses),
        *(Metric(key, value, now, 0) for key, value in figures.items() if value is not None),
    ]


def refuse(findings: Mapping[str, Any]) -> None:
    """Raise Permanent unless the device trains as the CPU does."""
    if not findings["passed"]:
        raise Permanent(
            f"this GPU does not train as the CPU does: {'; '.join(findings['because'])}; see docs/gpu.md before training on it"
        )
