"""Runs of DAGs on a real scheduler, and what there is to read of them."""

import base64
import json
import os
import subprocess
import sys
import urllib.request

from deltalake import DeltaTable

from tests.until import until

PREDICT = """
import json, sys, mlflow, pandas
from pathlib import Path
model = mlflow.pyfunc.load_model("models:/captioner@champion")
images = pandas.DataFrame({"image": [Path(path).read_bytes() for path in sys.argv[1:]]})
print(json.dumps(model.predict(images)["caption"].tolist()))
"""


def mlflow_says(stack, query):
    """MLflow's answer to a GET of its API, from somebody who has the login of `make run`."""
    request = urllib.request.Request(f"{stack.mlflow_url}/api/2.0/mlflow/{query}")
    login = base64.b64encode(":".join(stack.mlflow_login.values()).encode()).decode()
    request.add_header("Authorization", f"Basic {login}")
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.loads(answer.read())


def night(api, **params):
    """Run a night by hand, alone; its id and how its tasks ended."""
    run = api.trigger("caption_nightly", params)
    try:
        for _ in api.state_changes("caption_nightly", run):
            pass
    finally:
        api.set_paused("caption_nightly", True)
        for other in api.active_runs("caption_nightly"):
            api.abandon("caption_nightly", other)
    return run, api.task_states("caption_nightly", run)


def rows_when_there(table):
    return until(lambda: DeltaTable.is_deltatable(str(table)) and rows_of(table), 240, f"{table} had no rows", pause=1)


def rows_of(table):
    return DeltaTable(str(table)).to_pyarrow_table().to_pylist()


def log_when_there(api, run, task):
    def events():
        return [line["event"] for line in api.log("train_captioner", run, task) if "timestamp" in line]

    return until(events, 30, f"{task} of {run} had no log", pause=0.5)


def counted(api):
    run = api.trigger("watch_corrections", {})
    for _ in api.state_changes("watch_corrections", run):
        pass
    return run


def runs_when_there(api, kind):
    path = f"dags/train_captioner/dagRuns?run_type={kind}"
    runs = until(lambda: api.get(path)["dag_runs"], 60, f"no {kind} run of train_captioner", pause=1)
    return [run["dag_run_id"] for run in runs]


def predicted(home, images, folder):
    env = {**os.environ, "MLFLOW_TRACKING_URI": home.tracking_uri, "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, "-c", PREDICT, *images]
    done = subprocess.run(command, env=env, cwd=folder, capture_output=True, text=True, check=False, timeout=180)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])
