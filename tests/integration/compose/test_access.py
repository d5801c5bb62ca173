"""Who may do what on the stack of docker-compose.yml: people in Airflow, roles and strangers in MLflow."""

import json
import runpy
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from pipeline.core.errors import Permanent
from tests.integration.compose.reach import answer, s3

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1500)]

MLFLOW = runpy.run_path(str(Path(__file__).resolve().parents[3] / "infra" / "mlflow_accounts.py"))
NIGHT = {"input": "s3://pictures/nothing"}
REFUSED = pytest.raises(Permanent, match="with 403")


def mlflow(stack, account):
    """MLflow, as one of the roles' accounts sees it."""
    return MLFLOW["Server"](stack.address(5000), account, stack.secrets[f"MLFLOW_{account.upper()}_PASSWORD"])


@pytest.mark.parametrize(
    ("role", "dag"),
    [("Viewer", "caption_nightly"), ("Operator", "train_captioner"), ("Operator", "rollback_captioner")],
)
def test_who_may_not_run_a_dag_is_refused(people, role, dag):
    assert people[role].get(f"dags/{dag}")["dag_id"] == dag
    with REFUSED:
        people[role]._call("POST", f"dags/{dag}/dagRuns", {"logical_date": None, "conf": {}})
    with REFUSED:
        people[role].set_paused(dag, True)


def test_an_operator_runs_a_night(people):
    run = people["Operator"].trigger("caption_nightly", NIGHT)
    for _ in people["Operator"].state_changes("caption_nightly", run):
        pass
    assert people["Viewer"].get(f"dags/caption_nightly/dagRuns/{run}")["triggering_user_name"] == "operator"
    told = [line["event"] for line in people["Viewer"].log("caption_nightly", run, "plan")]
    assert "credentials of Airflow's connection nightcap_nights_s3" in told


@pytest.mark.parametrize("role", ["Viewer", "Operator"])
def test_who_may_not_approve_is_refused(people, waiting, role):
    path = f"dags/train_captioner/dagRuns/{waiting}/taskInstances/approve/-1"
    assert people[role].get(f"{path}/hitlDetails")["response_received"] is False
    with REFUSED:
        answer(people[role], waiting)
    with REFUSED:  # nor by marking the task as done
        people[role]._call("PATCH", path, {"new_state": "success"})


def test_an_approver_promotes_and_is_named_in_the_journal(stack, champion):
    (entry,) = s3(stack, "OWNER").list_objects_v2(Bucket="promotions")["Contents"]
    told = json.loads(s3(stack, "OWNER").get_object(Bucket="promotions", Key=entry["Key"])["Body"].read())
    assert told["who"] == "approver"


@pytest.mark.parametrize("path", ["connections", "variables", "config"])
def test_only_an_admin_sees_what_may_hold_secrets(people, path):
    with REFUSED:
        people["Approver"].get(path)


@pytest.mark.parametrize("path", ["", "version", "signup", "api/2.0/mlflow/experiments/get?experiment_id=0"])
def test_strangers_are_kept_out_of_mlflow(stack, path):
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"{stack.address(5000)}/{path}", timeout=30)
    assert refused.value.code == 401


@pytest.mark.parametrize("account", ["nights", "exporter"])
@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "model-versions/create", {"name": "captioner", "source": "s3://mlflow/other"}),
        ("DELETE", "model-versions/delete", {"name": "captioner", "version": "1"}),
        ("POST", "model-versions/set-tag", {"name": "captioner", "version": "1", "key": "gate", "value": "passed"}),
        ("POST", "registered-models/alias", {"name": "captioner", "version": "1", "alias": "champion"}),
    ],
)
def test_who_only_reads_models_may_not_alter_one(stack, champion, account, method, path, body):
    about = "2.0/mlflow/model-versions/get?name=captioner&version=1"
    before = mlflow(stack, account).call("GET", about)
    assert "champion" in before["model_version"]["aliases"]
    with pytest.raises(MLFLOW["Refused"]) as refused:
        mlflow(stack, account).call(method, f"2.0/mlflow/{path}", **body)
    assert refused.value.args[0] == 403
    assert mlflow(stack, account).call("GET", about) == before


def test_nights_log_runs_of_their_own_and_no_others(stack, champion):
    nights, named = mlflow(stack, "nights"), {}
    for name in ("nights", "captioner"):
        found = nights.call("GET", f"2.0/mlflow/experiments/get-by-name?experiment_name={name}")
        named[name] = found["experiment"]["experiment_id"]
    made = nights.call("POST", "2.0/mlflow/runs/create", experiment_id=named["nights"])
    mlflow(stack, "admin").call("POST", "2.0/mlflow/runs/delete", run_id=made["run"]["info"]["run_id"])
    with pytest.raises(MLFLOW["Refused"]) as refused:
        nights.call("POST", "2.0/mlflow/runs/create", experiment_id=named["captioner"])
    assert refused.value.args[0] == 403


def test_accounts_are_made_anew_without_harm(stack, champion):
    passwords = {name: stack.secrets[name] for name in stack.secrets if name.startswith("MLFLOW_")}
    admin = {"MLFLOW_TRACKING_USERNAME": "admin", "MLFLOW_TRACKING_URI": stack.address(5000)}
    MLFLOW["main"](passwords | admin | {"MLFLOW_TRACKING_PASSWORD": passwords["MLFLOW_ADMIN_PASSWORD"]})
    with pytest.raises(SystemExit, match=r"answers 401: write into \.env what MLFLOW_ADMIN_PASSWORD was changed to"):
        MLFLOW["main"](passwords | admin | {"MLFLOW_TRACKING_PASSWORD": "forgotten"})
    assert mlflow(stack, "training").call("GET", "2.0/mlflow/users/current")["user"]["username"] == "training"
