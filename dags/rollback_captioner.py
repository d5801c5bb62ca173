"""rollback_captioner: an earlier version captions again, from the next night on."""

from __future__ import annotations

from typing import Any

from airflow.sdk import Metadata, Param, dag, get_current_context, task
from airflow.sdk.exceptions import AirflowSkipException

from dags.common import CAPTIONER, RETRIES

PARAMS = {
    "version": Param(
        None, type=["null", "string"], pattern=r"^\d+$", description="Version to go back to; empty for the one before."
    ),
    "why": Param("", type="string", maxLength=500, description="A word for the promotion journal."),
    "model_name": Param("captioner", type="string", pattern=r"^[A-Za-z0-9_-]{1,64}$", description="The model."),
    "table": Param(
        None, type=["null", "string"], description="Table of captions; empty for captions in NIGHTCAP_STORE."
    ),
}


@dag(
    schedule=None,
    catchup=False,
    max_active_runs=1,
    params=PARAMS,
    default_args=RETRIES,
    tags=["nightcap", "training"],
    doc_md=__doc__,
)
def rollback_captioner() -> None:
    """One entry in the promotion journal, and which nights used the version that is given up."""

    @task(outlets=[CAPTIONER])
    def rollback() -> Any:
        from pipeline.home import Home
        from serving.rollback import roll_back

        context = get_current_context()
        params, who = context["params"], f"{context['dag'].dag_id} {context['run_id']}"
        home = Home.from_environment()
        done = roll_back(home, params["model_name"], params["version"], who, params["why"], params["table"])
        if done["entry"] is None:
            raise AirflowSkipException(f"version {done['version']} is the champion already")
        yield Metadata(CAPTIONER, extra={"version": done["version"]})
        context["ti"].xcom_push("return_value", done)

    rollback()


rollback_captioner()
