"""caption_nightly: what is new in a folder is captioned by the champion and published to a table, once."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import Any

from airflow.sdk import AsyncCallback, DeadlineAlert, dag, get_current_context, task
from airflow.sdk.exceptions import AirflowSkipException
from structlog.contextvars import bind_contextvars

from dags.common import NIGHT_DAG, described, form, timetable
from dags.deadline import PublishedBy
from dags.environment import PUBLISHED_BY, SCHEDULE, TIMEZONE
from dags.links import PageLink
from dags.notifier import NightEnded, NightFailed
from pipeline.core.settings.form import fields_of, optional, with_defaults
from serving.runs.config_file import night_config
from serving.runs.settings import NightSettings

CONFIG = night_config()
_FIELDS = tuple(fields_of(NightSettings, CONFIG))


def name_night(plan_path: str) -> None:
    """Write the night's name into every line of the task's log; Airflow itself writes the run's."""
    from serving.runs.plan_file import night_of

    bind_contextvars(night=night_of(plan_path))


def link_images(plan_path: str) -> None:
    """Leave the address of the night's images for the task's button, whatever becomes of the night."""
    from pipeline.core.environment import Home
    from serving.runs.plan_file import night_of

    page = Home.from_environment().images_page(night_of(plan_path))
    get_current_context()["ti"].xcom_push(key="images", value=page)


@dag(
    schedule=timetable(SCHEDULE),
    params=form(map(optional, _FIELDS)),
    on_success_callback=NightEnded("caption_nightly", succeeded=True),
    on_failure_callback=[NightFailed(), NightEnded("caption_nightly", succeeded=False)],
    deadline=DeadlineAlert(
        PublishedBy(PUBLISHED_BY.read(), TIMEZONE.read()), timedelta(), AsyncCallback("dags.notifier.night_is_late")
    ),
    **described(__doc__),
    **NIGHT_DAG,
)
def caption_nightly() -> None:
    """Plan, caption shard by shard, publish, report."""

    @task(multiple_outputs=True)
    def plan() -> dict[str, Any]:
        from pipeline.core.environment import Home
        from pipeline.core.errors import NothingPromoted
        from serving.planning.model_choice import pin_for_night
        from serving.planning.plan import held
        from serving.planning.plan import plan as plan_night
        from serving.planning.replay import attempt_of, in_its_input, with_known_names
        from serving.runs.settings import night_settings

        context = get_current_context()
        home, run = Home.from_environment(), context["dag_run"]
        settings = in_its_input(night_settings(with_defaults(_FIELDS, context["params"])), home, CONFIG.get("input"))
        if settings.held_night:
            return held(home, settings.held_night)
        settings = with_known_names(settings, home)
        try:
            model = pin_for_night(settings, home)
        except NothingPromoted as error:
            raise AirflowSkipException(f"nothing is captioned until a model is promoted: {error}") from error
        attempt = attempt_of(settings, home, run.data_interval_end or run.run_after, run.run_id, model)
        bind_contextvars(night=attempt.night)
        return plan_night(settings, home, model, attempt)

    @task
    def shards(count: int) -> list[int]:
        if not count:
            raise AirflowSkipException("nothing new to caption, so nothing is captioned, published or reported")
        return list(range(count))

    @task(pool="model")
    def caption(plan_path: str, shard: int) -> dict[str, Any]:
        name_night(plan_path)
        from pipeline.core.environment import Home
        from pipeline.core.signals import heeding_sigterm
        from serving.caption_shard import caption_shard
        from serving.planning.model_choice import load_for_night

        with heeding_sigterm():  # Airflow by itself lets the task go on until it is killed
            return caption_shard(plan_path, shard, partial(load_for_night, Home.from_environment()))

    @task
    def publish(plan_path: str) -> dict[str, Any]:
        name_night(plan_path)
        link_images(plan_path)
        from pipeline.core.environment import Home
        from serving.publish import publish_and_push

        values = with_defaults(_FIELDS, get_current_context()["params"])
        accepted = {name: values[name] for name in ("accept_quarantine", "accept_drift")}
        return publish_and_push(plan_path, Home.from_environment(), **accepted)

    @task
    def report(plan_path: str) -> dict[str, Any]:
        name_night(plan_path)
        link_images(plan_path)
        from serving.reporting.report import report as report_night

        return report_night(plan_path).to_json()

    planned = plan()
    captioned = caption.partial(plan_path=planned["plan"]).expand(shard=shards(planned["shards"]))
    published, reported = publish(planned["plan"]), report(planned["plan"])
    for shown in (published, reported):
        shown.operator.operator_extra_links = [PageLink("Images of this night", "images")]
    captioned >> published >> reported


caption_nightly()
