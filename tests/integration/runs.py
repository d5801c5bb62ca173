"""Runs of DAGs on a real scheduler, and what there is to read of them."""

import json
import os
import subprocess
import sys
import time

from deltalake import DeltaTable

PREDICT = """
import json, sys, mlflow, pandas
from pathlib import Path
model = mlflow.pyfunc.load_model("models:/captioner@champion")
images = pandas.DataFrame({"image": [Path(path).read_bytes() for path in sys.argv[1:]]})
print(json.dumps(model.predict(images)["caption"].tolist()))
"""


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
    deadline = time.monotonic() + 240
    while not (DeltaTable.is_deltatable(str(table)) and rows_of(table)):
        assert time.monotonic() < deadline, f"{table} has no rows"
        time.sleep(1)
    return rows_of(table)


def rows_of(table):
    return DeltaTable(str(table)).to_pyarrow_table().to_pylist()


def log_when_there(api, run, task):
    for _ in range(30):
        events = [line["event"] for line in api.log("train_captioner", run, task) if "timestamp" in line]
        if events:
            break
        time.sleep(0.5)
    return events


def counted(api):
    run = api.trigger("watch_corrections", {})
    for _ in api.state_changes("watch_corrections", run):
        pass
    return run


def runs_when_there(api, kind):
    deadline = time.monotonic() + 60
    while not (found := api.get(f"dags/train_captioner/dagRuns?run_type={kind}")["dag_runs"]):
        assert time.monotonic() < deadline, f"no {kind} run of train_captioner"
        time.sleep(1)
    return [run["dag_run_id"] for run in found]


def predicted(home, images, folder):
    env = {**os.environ, "MLFLOW_TRACKING_URI": home.tracking_uri, "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, "-c", PREDICT, *images]
    done = subprocess.run(command, env=env, cwd=folder, capture_output=True, text=True, check=False, timeout=180)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])
