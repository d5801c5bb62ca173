"""doctor_gpu: whether the worker of the pool `gpu` trains on its GPU as a CPU does."""

from __future__ import annotations

from typing import Any

from airflow.sdk import dag, task
from airflow.sdk.exceptions import AirflowSkipException

from dags.common import ON_GPU, TRAINING_DAG, described


@dag(schedule=None, **described(__doc__), **TRAINING_DAG)
def doctor_gpu() -> None:
    """200 steps on the CPU and on the GPU; what was found is a run in MLflow's experiment `doctor`."""

    @task(**ON_GPU)
    def examine() -> dict[str, Any]:
        from pipeline.core.environment import Home
        from pipeline.training.device_check import check
        from pipeline.training.device_check.findings import log_findings, refuse

        if not check.gpus():
            raise AirflowSkipException(check.NO_GPU)
        findings = check.examine(check.standard_trials())
        run = log_findings(Home.from_environment(), findings)
        refuse(findings)
        return {"run_id": run, "gpus": findings["device"]["names"]}

    examine()


doctor_gpu()
