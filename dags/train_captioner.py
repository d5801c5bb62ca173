"""train_captioner: captioned photographs in, a registered and perhaps promoted model out."""

from __future__ import annotations

import logging
from typing import Any

from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import Metadata, TriggerRule, dag, get_current_context, task
from airflow.sdk.exceptions import AirflowSkipException

from dags.common import CAPTIONER, CORRECTIONS, ON_GPU, TRAINING_DAG, approver, described, form
from dags.environment import APPROVAL_HOURS
from dags.links import PageLink
from dags.notifier import RunEnded
from pipeline import training_pipeline as stages
from pipeline.core.errors import DatasetRejected
from pipeline.core.settings.config_file import TRAIN_CONFIG, training_config
from pipeline.core.settings.form import training_fields, training_values

log = logging.getLogger(__name__)

REQUEST = """{% set verdict = ti.xcom_pull(task_ids='gate') %}
**{{ verdict.reason }}**

| | CIDEr-D |
|---|---|
| this version | {{ '%.1f' | format(100 * verdict.challenger) }} |
| the champion | {{ '%.1f' | format(100 * verdict.champion) if verdict.champion is not none else 'none yet' }} |

{% for rule in verdict.rules + verdict.get('reviews', []) -%}
- {{ rule }}
{% endfor %}
{% if verdict.link -%}
[Images with both versions' captions]({{ verdict.link }}), in MLflow, and `{{ verdict.page }}`.
{%- else -%}
Images with both versions' captions: `{{ verdict.page }}`.
{%- endif %}
Verdict `{{ verdict.digest[:12] }}`. Nobody answering for {{ task.response_timeout }} counts as *Reject*.
"""


def _run(done: dict[str, str] | None = None) -> Any:
    from pipeline.core.environment import Home
    from pipeline.core.settings import train_settings
    from pipeline.training.run import TrainingRun

    settings = train_settings(training_values(get_current_context()["params"]))
    return TrainingRun(settings, Home.from_environment(), done or {})


def _require_inside_roots(run: Any) -> None:
    """Asked once a run, whose form never changes: the installation's own file may change while a training runs."""
    from pipeline.core.settings import train_settings
    from pipeline.training.run import paths_of

    configured = training_config()
    run.require_inside_roots(paths_of(train_settings(configured)) if configured else ())


def _validate(run: Any) -> Any:
    """Whatever comes of the data, people find their Data Docs."""
    push = get_current_context()["ti"].xcom_push
    try:
        run = stages.run_stage("validate", run)
    except DatasetRejected as rejected:
        push(key="data_docs", value=str(rejected.docs))
        push(key="docs", value=rejected.page)
        raise
    push(key="data_docs", value=stages.data_docs(run))
    return run


def _is_asked(verdict: dict[str, Any]) -> bool:
    """Whether a person is asked; the log says why not, as a skipped task has no log of its own."""
    if not verdict["promote"]:
        log.info("nobody is asked, as the gate refuses the version: %s", verdict["reason"])
        return False
    if _run().settings.gate.approval != "person":
        log.info("nobody is asked, as gate.approval leaves promotion to the gate")
        return False
    return True


@dag(
    schedule=[CORRECTIONS] if TRAIN_CONFIG.read() else None,
    params=form(training_fields(training_config())),
    on_success_callback=RunEnded("train_captioner", succeeded=True),
    on_failure_callback=RunEnded("train_captioner", succeeded=False),
    **described(__doc__),
    **TRAINING_DAG,
)
def train_captioner() -> None:
    """Every task hands on the digests of the finished stages; a stage that is done already does nothing."""

    def stage_task(stage: stages.Stage) -> Any:
        @task(task_id=stage.name, **(ON_GPU if stage.on_gpu else {}))
        def run_stage(done: dict[str, str]) -> dict[str, str]:
            run = _run(done)
            if not done:
                _require_inside_roots(run)
            return dict(stages.run_stage(stage.name, run).done)

        return run_stage

    @task(doc_md="What was accepted and why not is a page; XCom `data_docs` and the log say where it lies.")
    def validate(done: dict[str, str]) -> dict[str, str]:
        return dict(_validate(_run(done)).done)

    @task
    def shards() -> list[int]:
        return list(range(_run().settings.encoder.shards))

    @task(**ON_GPU)
    def extract_shard(done: dict[str, str], shard: int) -> dict[str, int]:
        from pipeline.training.features import extract_shard as extract

        return extract(_run(done), shard)

    @task(multiple_outputs=True)
    def register(done: dict[str, str]) -> dict[str, Any]:
        from serving.monitoring.push_runs import push_training

        run, version = stages.register(_run(done))
        push_training(run.home, run.settings.registry.model_name, stages.effort(run))
        for key, page in stages.pages(run, version["version"]).items():
            get_current_context()["ti"].xcom_push(key=key, value=page)
        return {"done": dict(run.done), "version": version["version"], "run_id": version["run_id"]}

    @task
    def gate(done: dict[str, str], version: str) -> dict[str, Any]:
        from serving.monitoring.push_runs import push_verdict

        run = _run(done)
        verdict = stages.gate(run, version)
        push_verdict(run.home, run.settings.registry.model_name, verdict)
        get_current_context()["ti"].xcom_push(key="verdict", value=verdict["link"])
        return verdict

    @task.short_circuit(ignore_downstream_trigger_rules=False)
    def ask(verdict: dict[str, Any]) -> bool:
        """Only what the gate lets pass is shown to a person, and only where the form says so."""
        return _is_asked(verdict)

    @task(outlets=[CAPTIONER], trigger_rule=TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS)
    def promote(done: dict[str, str], version: str, verdict: dict[str, Any]) -> Any:
        if not verdict["promote"]:
            raise AirflowSkipException(f"version {version} is not promoted: {verdict['reason']}")
        context, run = get_current_context(), _run(done)
        answer = context["ti"].xcom_pull(task_ids="approve")
        approved = ApprovalOperator.APPROVE in (answer or {}).get("chosen_options", ())
        if run.settings.gate.approval == "person" and not approved:  # tasks were cleared or marked by hand
            raise AirflowSkipException(f"version {version} is not promoted: nobody approved it; clear the task approve")
        who = approver(answer) or f"{context['dag'].dag_id} {context['run_id']}"
        verdict = stages.promote_version(run, version, verdict, who)
        if not verdict["promoted"]:
            raise AirflowSkipException(f"version {version} is not promoted: {verdict['reason']}")
        yield Metadata(CAPTIONER, extra={"version": version, "verdict": verdict["digest"]})

    done: Any = {}
    for stage in stages.TRAINING_STAGES:
        before, done = done, validate(done) if stage.name == "validate" else stage_task(stage)(done)
        if stage.name == "validate":
            done.operator.operator_extra_links = [PageLink("Data Docs", "docs")]  # of what was rejected
        if stage.name == "extract_features":
            extract_shard.partial(done=before).expand(shard=shards()) >> done
    registered = register(done)
    verdict = gate(registered["done"], registered["version"])
    registered.operator.operator_extra_links = [PageLink("Run in MLflow", "run"), PageLink("Data Docs", "docs")]
    verdict.operator.operator_extra_links = [PageLink("Verdict", "verdict")]
    approve = ApprovalOperator(
        task_id="approve",
        subject="Shall version {{ ti.xcom_pull(task_ids='register', key='version') }} of the captioner go to work?",
        body=REQUEST,
        defaults=ApprovalOperator.REJECT,
        response_timeout=APPROVAL_HOURS.read(),
    )
    ask(verdict) >> approve >> promote(registered["done"], registered["version"], verdict)


train_captioner()
