"""What Airflow makes of the DAG files: it reads them, quickly, and sees the tasks, forms and retries that we meant."""

import json
import os
import subprocess
import sys
from pathlib import Path
from statistics import median

import jsonschema
import pytest

from pipeline.form import fields_of, training_fields
from pipeline.settings import preset_names
from serving.rollback import RollbackSettings
from serving.settings import NightSettings
from serving.tending import TendingSettings

CHECKOUT = Path(__file__).resolve().parents[2]
FIELDS = {
    "train_captioner": list(training_fields()),
    "caption_nightly": list(fields_of(NightSettings)),
    "tend_tables": list(fields_of(TendingSettings)),
    "rollback_captioner": list(fields_of(RollbackSettings)),
    "watch_corrections": [],
    "doctor_gpu": [],
}
EVERY_FIELD = [(dag, field.name) for dag, fields in FIELDS.items() for field in fields]
ORDER = {
    "train_captioner": {
        "snapshot": [],
        "validate": ["snapshot"],
        "adapt_vocabulary": ["validate"],
        "provide_encoder": ["adapt_vocabulary"],
        "shards": [],
        "extract_shard": ["provide_encoder", "shards"],
        "extract_features": ["extract_shard", "provide_encoder"],
        "train": ["extract_features"],
        "refine": ["train"],
        "calibrate": ["refine"],
        "evaluate": ["calibrate"],
        "register": ["evaluate"],
        "gate": ["register"],
        "ask": ["gate"],
        "approve": ["ask"],
        "promote": ["approve", "gate", "register"],
    },
    "caption_nightly": {
        "plan": [],
        "shards": ["plan"],
        "caption": ["plan", "shards"],
        "publish": ["caption", "plan"],
        "report": ["plan", "publish"],
    },
    "tend_tables": {"upgrade": [], "compact": ["upgrade"], "vacuum": ["compact"]},
    "rollback_captioner": {"rollback": []},
    "watch_corrections": {"count": []},
    "doctor_gpu": {"examine": []},
}


@pytest.fixture(scope="module")
def facts(tmp_path_factory):
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "NIGHTCAP_"))}
    airflow = {
        "AIRFLOW_HOME": str(tmp_path_factory.mktemp("airflow")),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(CHECKOUT / "dags/plugins"),
    }
    env = {**kept, **airflow, "PYTHONPATH": str(CHECKOUT)}
    command = [sys.executable, str(Path(__file__).with_name("dag_facts.py"))]
    done = subprocess.run(command, cwd=CHECKOUT, env=env, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def dags(facts):
    return facts["usual"]["dags"]


def test_all_files_are_read_without_errors(facts):
    assert facts["usual"]["errors"] == {}
    assert set(facts["usual"]["dags"]) == set(ORDER)


@pytest.mark.parametrize("dag", ORDER)
def test_a_file_is_parsed_quickly_and_imports_nothing_heavy(facts, dag):
    assert [once["heavy"] for once in facts["parsed"][dag]] == [[], [], []]
    assert median(once["seconds"] for once in facts["parsed"][dag]) < 1


@pytest.mark.parametrize("dag", ORDER)
def test_tasks_come_in_their_order(dags, dag):
    assert {name: task["after"] for name, task in dags[dag]["tasks"].items()} == ORDER[dag]


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


def test_data_docs_are_a_click_away_also_from_what_rejected_the_data(facts, dags):
    tasks = dags["train_captioner"]["tasks"]
    assert tasks["validate"]["links"] == ["Data Docs"]
    assert tasks["register"]["links"] == ["Run in MLflow", "Data Docs"]
    page, docs = "http://mlflow/page", "/store/rejected/1/data_docs/index.html"
    assert facts["rejected"] == {"docs": page, "data_docs": docs, "raised": True}


@pytest.mark.parametrize("dag", ORDER)
def test_only_what_may_pass_is_tried_again(dags, dag):
    for name, task in dags[dag]["tasks"].items():
        again = {error for error, action in task["on"].items() if action == "default"}
        ours = {"NightcapError", "Retryable", "RegistryUnavailable", "ObjectUnavailable", "DecoderUnavailable"}
        assert again == {"OSError", *ours}, name
        assert {action for error, action in task["on"].items() if error not in again} == {"fail"}, name
        assert {"Permanent", "SettingsError", "DatasetRejected", "BadInput"} <= task["on"].keys()
        assert task["retries"] == 2, name


@pytest.mark.parametrize("dag", ORDER)
def test_runs_of_a_dag_never_overlap_nor_catch_up(dags, dag):
    assert (dags[dag]["max_active_runs"], dags[dag]["catchup"]) == (1, False)


def test_nights_come_by_the_clock_and_trainings_when_asked(facts):
    clocks = {
        kind: [facts[kind]["dags"]["caption_nightly"][key] for key in ("expression", "timezone")]
        for kind in ("usual", "changed")
    }
    assert clocks == {"usual": ["0 2 * * *", "UTC"], "changed": ["30 4 * * 1-5", "Europe/Paris"]}
    assert facts["changed"]["dags"]["train_captioner"]["expression"] is None
    assert facts["usual"]["dags"]["tend_tables"]["expression"] == "0 12 * * 0"


def test_corrections_start_trainings_where_their_settings_are_named(facts):
    usual, configured = facts["usual"]["dags"], facts["configured"]["dags"]
    assert usual["train_captioner"]["assets"] == []
    assert usual["watch_corrections"]["expression"] is None
    assert configured["train_captioner"]["assets"] == ["corrections"]
    assert configured["watch_corrections"]["expression"] == "0 18 * * *"
    params = configured["train_captioner"]["params"]
    filled = {name: param["default"] for name, param in params.items() if param["default"] is not None}
    assert filled == {
        "preset": "flickr8k",
        "training.epochs": 3,
        "source.images": "/in",
        "source.train_annotations": "/a.json",
    }
    assert list(params) == list(usual["train_captioner"]["params"])


def test_settings_that_are_not_there_are_an_import_error_of_their_dag_only(facts):
    found = facts["misconfigured"]
    assert set(found["errors"]) == {"train_captioner.py", "caption_nightly.py"}
    assert "/nowhere.yaml" in found["errors"]["train_captioner.py"]
    assert "/no_night.yaml" in found["errors"]["caption_nightly.py"]
    assert set(found["dags"]) == set(ORDER) - {"train_captioner", "caption_nightly"}


def test_a_file_of_night_settings_fills_the_form_of_nights(facts):
    usual, configured = (facts[kind]["dags"]["caption_nightly"]["params"] for kind in ("usual", "configured"))
    changed = {name: param["default"] for name, param in configured.items() if param != usual[name]}
    assert changed == {"stop_at": "23:30", "max_images": None, "output": "s3://captions/out", "input": "/usual"}
    assert facts["configured"]["errors"] == {}
    assert all(is_allowed(param, param["default"]) for param in configured.values())


def test_a_replay_of_a_night_looks_where_that_night_did_unless_the_form_says_otherwise(facts):
    assert facts["replayed_from"] == ["/holiday", "/named"]


def test_a_mistaken_schedule_is_an_import_error_of_its_dag_only(facts):
    (error,) = facts["mistaken"]["errors"].items()
    assert error[0] == "caption_nightly.py"
    assert error[1].endswith("NIGHTCAP_SCHEDULE is 'at night': no cron expression; give one such as 0 2 * * *")
    assert set(facts["mistaken"]["dags"]) == set(ORDER) - {"caption_nightly"}


def test_a_mistaken_time_zone_is_an_import_error_that_says_so(facts):
    errors = facts["nowhere"]["errors"]
    assert sorted(errors) == ["caption_nightly.py", "tend_tables.py"]
    for error in errors.values():
        assert error.endswith("NIGHTCAP_TIMEZONE is 'Europe/Pariss': no time zone; give one such as Europe/Paris")


def test_a_mistaken_patience_is_an_import_error_that_says_so(facts):
    (error,) = facts["impatient"]["errors"].values()
    assert error.endswith("NIGHTCAP_APPROVAL_HOURS is 'soon': no number of hours; give one such as 72")


def test_a_night_is_late_by_the_clock_and_a_backfill_never(facts):
    found = {kind: facts[kind]["dags"]["caption_nightly"]["deadlines"] for kind in ("usual", "changed")}
    usual = ["2026-01-07T06:00:00+00:00", "2026-01-08T06:00:00+00:00", "2026-03-29T06:00:00+00:00"]
    assert found["usual"] == [{"late": usual, "backfill": None}]
    in_paris = ["2026-01-07T05:00:00+00:00", "2026-01-08T05:00:00+00:00", "2026-03-29T04:00:00+00:00"]
    assert found["changed"] == [{"late": in_paris, "backfill": None}]
    assert {dag: len(each["deadlines"]) for dag, each in facts["usual"]["dags"].items() if each["deadlines"]} == {
        "caption_nightly": 1
    }


def test_a_night_that_somebody_tries_out_is_not_told_of_as_the_night(facts):
    nights = [told for told in facts["told"] if told.startswith("caption_nightly")]
    assert nights == ["caption_nightly scheduled {}", "caption_nightly manual {'held_night': 'n'}"]
    assert len(facts["told"]) - len(nights) == 4  # trainings are begun by people


def test_a_mistaken_time_of_the_day_is_an_import_error_that_says_so(facts):
    (error,) = facts["never"]["errors"].values()
    assert "NIGHTCAP_PUBLISHED_BY is '25:00'" in error


@pytest.mark.parametrize(("dag", "name"), EVERY_FIELD)
def test_a_param_has_a_description_a_type_and_a_default_that_fits(dags, dag, name):
    param = dags[dag]["params"][name]
    field = next(field for field in FIELDS[dag] if field.name == name)
    assert param["description"] == field.description
    assert param["description"].endswith(".")
    assert param["schema"]["type"]
    assert param["schema"]["section"] == field.section
    assert is_allowed(param, param["default"])


@pytest.mark.parametrize("dag", ORDER)
def test_every_setting_is_a_param(dags, dag):
    assert list(dags[dag]["params"]) == [field.name for field in FIELDS[dag]]


def test_presets_are_offered_by_name(dags):
    param = dags["train_captioner"]["params"]["preset"]
    assert param["schema"]["enum"] == preset_names()
    assert param["default"] == "scenes"


@pytest.mark.parametrize(
    ("dag", "name", "value"),
    [
        ("train_captioner", "preset", "flickr"),
        ("train_captioner", "preset", None),
        ("train_captioner", "training.epochs", 0),
        ("train_captioner", "training.epochs", "3"),
        ("train_captioner", "training.learning_rate", 2),
        ("train_captioner", "self_critical.samples", 1),
        ("train_captioner", "encoder.name", "vgg"),
        ("train_captioner", "source.max_images", 9),
        ("train_captioner", "registry.model_name", "a b"),
        ("train_captioner", "gate.approval", "nobody"),
        ("caption_nightly", "max_images", 0),
        ("caption_nightly", "stop_at", "25:00"),
        ("caption_nightly", "max_quarantine_share", 1.5),
        ("caption_nightly", "accept_quarantine", "yes"),
        ("caption_nightly", "model", ""),
        ("caption_nightly", "replay_reasons", "empty"),
        ("caption_nightly", "replay_reasons", [1]),
        ("caption_nightly", "max_caption_length", 0),
        ("tend_tables", "keep_days", -1),
    ],
)
def test_a_bad_value_is_refused_by_the_form(dags, dag, name, value):
    assert not is_allowed(dags[dag]["params"][name], value)


def is_allowed(param, value):
    return jsonschema.Draft202012Validator(param["schema"]).is_valid(value)
