"""Print as JSON what Airflow makes of each DAG file; a process of its own, as Airflow's configuration is global."""

import json
import os
import runpy
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import airflow.sdk  # noqa: F401  what Airflow has loaded before it comes to a DAG file

FOLDER = Path(__file__).resolve().parents[2] / "dags"
HEAVY = {"tensorflow", "keras", "great_expectations", "mlflow", "pandas", "deltalake"}


def forked(work, **environ):
    """What `work` returns in a process where only Airflow is imported."""
    reader, writer = os.pipe()
    if os.fork() == 0:
        os.environ.update(environ)
        with os.fdopen(writer, "w") as pipe:
            json.dump(work(), pipe)
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        answer = json.load(pipe)
    os.wait()
    return answer


def bag():
    from airflow.dag_processing.dagbag import DagBag

    found = DagBag(str(FOLDER), safe_mode=False)
    errors = {Path(path).name: text.strip().splitlines()[-1] for path, text in found.import_errors.items()}
    return {"errors": errors, "dags": {name: dag_facts(dag) for name, dag in found.dags.items()}}


def dag_facts(dag):
    return {
        "catchup": dag.catchup,
        "description": dag.description,
        "max_active_runs": dag.max_active_runs,
        "expression": getattr(dag.timetable, "expression", None),
        "timezone": str(getattr(dag.timetable, "timezone", None)),
        "assets": assets_of(dag.timetable),
        "deadlines": [deadline_facts(alert.reference) for alert in dag.deadline or []],
        "params": {name: param_facts(dag.params.get_param(name)) for name in dag.params},
        "tasks": {task.task_id: task_facts(task) for task in dag.tasks},
    }


def assets_of(timetable):
    """The assets that start a DAG."""
    condition = getattr(timetable, "asset_condition", None)
    return [asset.name for asset in condition.objects] if condition else []


def deadline_facts(reference):
    """When it calls runs late that might have begun before and after it, around a change of clocks, and in a backfill."""
    from airflow.serialization.decoders import decode_deadline_reference
    from airflow.serialization.encoders import encode_deadline_reference

    stored = json.loads(json.dumps(encode_deadline_reference(reference)))
    found = decode_deadline_reference(stored).inner_ref
    moments = ("2026-01-07T02:00:00+00:00", "2026-01-07T10:00:00+00:00", "2026-03-28T20:00:00+00:00")
    late = [found.of_run("scheduled", datetime.fromisoformat(moment)) for moment in moments]
    return {
        "late": [moment.astimezone(UTC).isoformat() for moment in late],
        "backfill": found.of_run("backfill", datetime.fromisoformat(moments[0])),
    }


def param_facts(param):
    return {"default": param.value, "description": param.description, "schema": param.schema}


def task_facts(task):
    return {
        "after": sorted(task.upstream_task_ids),
        "pool": task.pool,
        "queue": task.queue,
        "pod": (task.executor_config or {}).get("pod_template_file"),
        "retries": task.retries,
        "on": {name: task.retry_policy.evaluate(error, 1, 3).action.value for name, error in trouble()},
        "links": [link.name for link in task.operator_extra_links],
        "outlets": [asset.name for asset in task.outlets],
    }


def trouble():
    """One of each error of ours, and one that nobody foresaw."""
    from pipeline.core import errors

    yield "OSError", OSError("disk")
    for name, kind in vars(errors).items():
        if isinstance(kind, type) and issubclass(kind, errors.NightcapError):
            yield name, kind(*["it"] * (2 if name in ("BadInput", "BadImage") else 1))


def rejected():
    """What the task `validate` leaves behind when the data are rejected."""
    from dags import train_captioner as module
    from pipeline.core.errors import DatasetRejected

    told = DatasetRejected("too few", Path("/store/rejected/1/data_docs/index.html"))
    told.page = "http://mlflow/page"
    pushed = {}

    def reject(name, run):
        raise told

    module.get_current_context = lambda: {
        "ti": SimpleNamespace(xcom_push=lambda key, value: pushed.update({key: value}))
    }
    module._run, module.stages.run_stage = (lambda done: None), reject
    try:
        module.train_captioner().get_task("validate").python_callable({})
    except DatasetRejected as error:
        return pushed | {"raised": error is told}


def told():
    """Which runs of which DAG the metrics hear of, by their kind and what their form says."""
    from serving.monitoring import push_runs as runs

    heard, runs.push_run_end = [], lambda home, dag, succeeded: heard.append(f"{dag} {kind} {form}")
    for dag in bag_of("caption_nightly", "train_captioner"):
        for kind, form in (
            ("scheduled", {}),
            ("manual", {"max_images": 9}),
            ("manual", {"held_night": "n"}),
            ("backfill", {}),
        ):
            context = {"dag_run": SimpleNamespace(run_type=kind, conf=form), "run_id": "r"}
            dag.on_success_callback(context)
    return heard


def bag_of(*names):
    from airflow.dag_processing.dagbag import DagBag

    dags = DagBag(str(FOLDER), safe_mode=False).dags
    return [dags[name] for name in names]


def views():
    """What our plugin gives Airflow to show, with an address of the application and without one."""
    from airflow.plugins_manager import _get_plugins

    plugins, errors = _get_plugins()
    shown = [view for plugin in plugins if plugin.name == "nightcap_captions" for view in plugin.external_views]
    del os.environ["NIGHTCAP_APP_URL"]
    bare = runpy.run_path(str(FOLDER / "plugins/captions.py"))["Captions"]
    return {"errors": errors, "shown": shown, "of_no_app": bare.external_views}


def replayed_from():
    """Where a replay of a night that had an input of its own looks, with the form's usual input and with another."""
    from dags import caption_nightly as module
    from serving.planning import model_choice as model
    from serving.planning import plan, replay

    folder = Path(os.environ["NIGHTCAP_HOME"]) / "store/nights/n1/manual__n1/plan"
    folder.mkdir(parents=True)
    (folder / "plan.json").write_text('{"input": "/holiday"}')
    model.pin_for_night = lambda settings, home: None
    replay.attempt_of = lambda *given: SimpleNamespace(night="n1.r2")
    plan.plan = lambda settings, *others: settings.input
    made = module.caption_nightly()
    form = {name: made.params[name] for name in made.params} | {"replay_night": "n1"}
    run = SimpleNamespace(data_interval_end=datetime.now(UTC), run_id="r")
    looked = []
    for filled in (form, form | {"input": "/named"}):
        module.get_current_context = lambda filled=filled: {"params": filled, "dag_run": run}
        looked.append(made.get_task("plan").python_callable())
    return looked


def parsed(name):
    before = set(sys.modules)
    started = time.process_time()
    runpy.run_path(str(FOLDER / f"{name}.py"))
    seconds = time.process_time() - started
    imported = {module.split(".")[0] for module in set(sys.modules) - before}
    return {"seconds": seconds, "heavy": sorted(imported & HEAVY)}


if __name__ == "__main__":
    names = (
        "train_captioner",
        "caption_nightly",
        "tend_tables",
        "rollback_captioner",
        "watch_corrections",
        "doctor_gpu",
    )
    usual = Path(os.environ["AIRFLOW_HOME"]) / "usual.yaml"
    usual.write_text("{preset: flickr8k, training: {epochs: 3}, source: {images: /in, train_annotations: /a.json}}")
    night = usual.with_name("night.yaml")
    night.write_text("{stop_at: 23:30, max_images: null, output: s3://captions/out, input: /usual}")
    facts = {
        "usual": forked(bag),
        "changed": forked(bag, NIGHTCAP_SCHEDULE="30 4 * * 1-5", NIGHTCAP_TIMEZONE="Europe/Paris"),
        "training_apart": forked(bag, NIGHTCAP_TRAINING_QUEUE="training"),
        "gpu_apart": forked(bag, NIGHTCAP_TRAINING_QUEUE="training", NIGHTCAP_GPU_QUEUE="gpu"),
        "pods": forked(bag, NIGHTCAP_TRAINING_POD="/pods/training.yaml", NIGHTCAP_GPU_POD="/pods/gpu.yaml"),
        "mistaken": forked(bag, NIGHTCAP_SCHEDULE="at night"),
        "nowhere": forked(bag, NIGHTCAP_TIMEZONE="Europe/Pariss"),
        "impatient": forked(bag, NIGHTCAP_APPROVAL_HOURS="soon"),
        "never": forked(bag, NIGHTCAP_PUBLISHED_BY="25:00"),
        "configured": forked(bag, NIGHTCAP_TRAIN_CONFIG=str(usual), NIGHTCAP_NIGHT_CONFIG=str(night)),
        "misconfigured": forked(bag, NIGHTCAP_TRAIN_CONFIG="/nowhere.yaml", NIGHTCAP_NIGHT_CONFIG="/no_night.yaml"),
        "replayed_from": forked(
            replayed_from, NIGHTCAP_NIGHT_CONFIG=str(night), NIGHTCAP_HOME=str(usual.with_name("home"))
        ),
        "rejected": forked(rejected),
        "told": forked(told),
        "views": forked(views, NIGHTCAP_APP_URL="http://127.0.0.1:8090/", NIGHTCAP_PROMOTED_ONLY="mistaken"),
        "parsed": {name: [forked(lambda name=name: parsed(name)) for _ in range(3)] for name in names},
    }
    sys.stdout.write(json.dumps(facts) + "\n")
