"""From the embedded default to the stack; backup, destroy, restore: the same runs, champion and captions."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path

import boto3
import psycopg2
import pytest
from deltalake import DeltaTable

from pipeline.data.sources.scenes.dataset import draw_inbox
from pipeline.storage.files import sha256
from tests.integration.composed_tools import WithTools
from tests.integration.image_programs import BIN, MISSING

pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(900),
    pytest.mark.skipif(bool(MISSING), reason=f"needs {', '.join(MISSING)} (Debian packages, see .ci/run)"),
]

IMAGES = 4
LEFT = {"captions", "captions_current", "features", "mlflow", "promotions", "unfinished"}
KINDS = ("run", "version", "entry", "champion")
# Each run with its figures and files, every version, and the journal, whoever keeps them.
STATE = """
import json, mlflow
from pipeline.core.environment import Home
from pipeline.registry.promotions import Promotions
promotions = Promotions(Home.from_environment())
client = mlflow.MlflowClient()
experiments = {each.experiment_id: each.name for each in client.search_experiments()}
for run in client.search_runs(list(experiments), order_by=["attributes.start_time"]):
    files = [item.path for item in client.list_artifacts(run.info.run_id)]
    curve = [[each.step, each.value] for each in client.get_metric_history(run.info.run_id, "train_loss")]
    print(json.dumps(["run", run.info.run_id, experiments[run.info.experiment_id], run.data.to_dictionary(), files, curve]))
for version in promotions.registry.versions():
    print(json.dumps(["version", *vars(version).values()]))
for entry in promotions.journal.entries():
    print(json.dumps(["entry", entry.model_dump(mode="json")]))
print(json.dumps(["champion", vars(promotions.champion("captioner"))]))
"""
NEW_RUN = """
import mlflow
with mlflow.start_run(experiment_id=mlflow.create_experiment("afterwards")):
    mlflow.log_metric("loss", 1.0)
"""


@pytest.fixture(scope="module")
def folder():
    # Not under pytest's own folder, which PostgreSQL's user may not enter.
    with tempfile.TemporaryDirectory(prefix="nightcap-backup-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture(scope="module")
def embedded(folder, tiny_run):
    """A home, at another place than where it was made, in which a training has ended and two nights been published.

    Other tests may have told of nights in the one that it is a copy of.
    """
    home = folder / "em bedded"
    shutil.copytree(tiny_run.home.root, home)
    for seed, night in enumerate(("first", "second")):
        draw_inbox(home / "inbox", IMAGES // 2, seed)
        told(home, "nightcap", "night", "--night", night)
    return home


@pytest.fixture(scope="module")
def stack(folder, embedded):
    (folder / "backups").mkdir()
    settings = {"BACKUPS": str(folder / "backups"), "BACKUP_PICTURES": "pictures", "EMBEDDED_HOME": str(embedded)}
    (folder / "stack").mkdir()
    stack = WithTools(folder / "stack", settings)
    try:
        stack.up("mlflow")
        yield stack
    finally:
        stack.down()


def told(home, *command):
    """What a command says of an embedded home."""
    environment = {**os.environ, "NIGHTCAP_HOME": str(home), "MLFLOW_TRACKING_URI": f"sqlite:///{home / 'mlflow.db'}"}
    words = [sys.executable if command[0] == "python" else BIN / command[0], *command[1:]]
    return subprocess.run(words, env=environment, check=True, capture_output=True, text=True).stdout


def state(ask, captions):
    """What must outlive everything: runs, versions, who captions and why, captions."""
    told = [json.loads(line) for line in ask("python", "-c", STATE).splitlines() if line.startswith("[")]
    rows = {name: DeltaTable(str(captions / name)).to_pyarrow_table() for name in ("captions", "captions_current")}
    tables = {name: sorted(table.to_pylist(), key=lambda row: row["image"]) for name, table in rows.items()}
    return {**{kind: [each for each in told if each[0] == kind] for kind in KINDS}, **tables}


def state_of(stack):
    return state(lambda *command: stack.run("exporter", *command), stack.volume("captions"))


def give_accounts(stack):
    """Where MLflow asks who one is, it must know the roles first."""
    if "mlflow-init" in stack.names:
        stack.run("mlflow-init")


def owner(stack):
    return boto3.client(
        "s3",
        endpoint_url=stack.address(8333),
        aws_access_key_id=stack.secrets["S3_OWNER_ACCESS_KEY"],
        aws_secret_access_key=stack.secrets["S3_OWNER_SECRET_KEY"],
        region_name="us-east-1",
    )


def objects(stack):
    """Digests of what the buckets hold."""
    client, found = owner(stack), {}
    for bucket in ("mlflow", "promotions", "pictures"):
        for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket):
            for key in [item["Key"] for item in page.get("Contents", ())]:
                found[bucket, key] = sha256(client.get_object(Bucket=bucket, Key=key)["Body"].read())
    return found


def outputs(store):
    """Digests of what a store holds beside tables of captions, artifacts, journal and what is computed again."""
    paths = [path.relative_to(store) for path in store.rglob("*") if path.is_file()]
    wanted = [path for path in paths if path.parts[0] not in LEFT and not any(part[0] == "." for part in path.parts)]
    return {str(path): sha256((store / path).read_bytes()) for path in wanted}


def airflow_database(stack):
    address, password = stack.address(5432).rpartition(":"), stack.secrets["AIRFLOW_DB_PASSWORD"]
    return psycopg2.connect(host="127.0.0.1", port=address[2], user="airflow", dbname="airflow", password=password)


def test_1_a_dry_run_tells_and_moves_nothing(stack, before):
    said = stack.run("move", "--dry-run")
    assert "would move" in said
    assert f" runs {len(before['run'])}" in said
    assert objects(stack) == {}
    assert not any(stack.volume("captions").iterdir())


@pytest.fixture(scope="module")
def before(embedded):
    return state(lambda *command: told(embedded, *command), embedded / "store")


def test_2_the_embedded_home_moves_with_runs_versions_and_captions(stack, embedded, before):
    assert all(before[kind] for kind in KINDS)
    assert len(before["run"]) >= 3
    assert len(before["captions"]) == len(before["captions_current"]) == IMAGES
    stack.run("move")
    assert outputs(stack.volume("nightcap") / "store") == outputs(embedded / "store") != {}
    give_accounts(stack)
    assert state_of(stack) == before
    artifacts = sum(path.is_file() for path in (embedded / "store/mlflow").rglob("*"))
    assert len(objects(stack)) == artifacts + len(before["entry"])


def test_3_what_was_moved_loads_and_is_traced(stack, embedded):
    assert "golden captions reproduced" in stack.run("exporter", "nightcap", "models", "verify", "1")
    (image, *_) = (embedded / "inbox").iterdir()
    assert "version 1" in stack.run("exporter", "nightcap", "trace", str(image))


def test_4_a_home_moves_once(stack, before):
    with pytest.raises(AssertionError, match=rf"already holds .*\b2 experiments, .* {len(before['run'])} runs, "):
        stack.run("move")


def test_5_backup_destroy_restore(stack, folder, before):
    owner(stack).put_object(Bucket="pictures", Key="inbox/a b.jpg", Body=b"an image")
    with closing(airflow_database(stack)) as database, database, database.cursor() as cursor:
        cursor.execute("CREATE TABLE dag_run AS SELECT 'scheduled' AS run_id")
    held = objects(stack), outputs(stack.volume("nightcap") / "store")
    assert "is whole" in stack.run("backup")
    (backup,) = (folder / "backups").glob("[!.]*")
    subprocess.run(["sha256sum", "--check", "--quiet", "--strict", "SHA256SUMS"], cwd=backup, check=True)

    stack.down()
    shutil.rmtree(stack.folder / "volumes")
    stack.run("restore")
    stack.up("mlflow")

    assert (objects(stack), outputs(stack.volume("nightcap") / "store")) == held
    assert state_of(stack) == before
    assert "golden captions reproduced" in stack.run("exporter", "nightcap", "models", "verify", "1")
    with closing(airflow_database(stack)) as database, database.cursor() as cursor:
        cursor.execute("SELECT run_id FROM dag_run")
        assert cursor.fetchall() == [("scheduled",)]
    stack.run("exporter", "python", "-c", NEW_RUN)
    with pytest.raises(AssertionError, match="a backup is restored only where there is nothing"):
        stack.run("restore")
    with pytest.raises(AssertionError, match="database airflow has 1 tables; a backup is restored only where there is"):
        stack.run_alone("restore-databases")
