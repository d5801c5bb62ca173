"""Whoever has an account at MLflow may register models and set tags and aliases; no night runs their code for it."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace

import pytest
from PIL import Image

from infra.mlflow_accounts import Refused
from nightcap.cli import main
from pipeline.core.environment import Home
from pipeline.core.errors import SettingsError
from pipeline.model.external import child
from pipeline.model.external.package import read_external
from pipeline.model.interface import EXTERNAL, PinnedModel
from pipeline.registry.promotions import ENTRY_TAG, Promotions
from pipeline.registry.versions import CHAMPION, DIGEST_TAG, ENGINE_TAG, Registry
from serving.planning.model_choice import load_for_night, pin_for_night
from tests.pipeline.model.external.strangers import log_model
from tests.serving.night_world import settings_of
from tests.toy_bundle import write_bundle

MODEL = "captioner"

CODE = """
import mlflow, pandas

class Captioner(mlflow.pyfunc.PythonModel):
    def load_context(self, context):
        open({marker!r}, "w").close()

    def predict(self, context, model_input, params=None):
        return pandas.DataFrame({{"caption": ["a trap"] * len(model_input)}})

mlflow.models.set_model(Captioner())
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory, guarded_mlflow):
    """As in the stack: nights caption only with what was promoted."""
    root = tmp_path_factory.mktemp("home")
    (root / "inbox").mkdir()
    Image.new("RGB", (64, 64), (200, 30, 30)).save(root / "inbox" / "red.png")
    return Home(root, root / "store", guarded_mlflow.uri, promoted_only=True)


@pytest.fixture(scope="module")
def marker(home):
    """What the stranger's code leaves behind wherever it is loaded."""
    return home.root / "the code has run"


@pytest.fixture(scope="module")
def planted(home, marker, guarded_mlflow):
    """All that `mallory` may do: a model with the tags of one that was named, and with the alias; its address."""
    with pytest.MonkeyPatch.context() as patch:
        for key, value in guarded_mlflow.credentials("mallory").items():
            patch.setenv(key, value)
        code = home.root / "mallorys.py"
        code.write_text(CODE.format(marker=str(marker)))
        uri = log_model(home, "mallorys", code)
        registry = Registry(home)
        registry.download(uri, ".", home.root / "downloaded")
        digest = read_external(home.root / "downloaded").digest
        registry.tag("mallorys", "1", {ENGINE_TAG: EXTERNAL, DIGEST_TAG: digest, "gate": "passed"})
        registry.set_alias("mallorys", CHAMPION, "1")
        registry.set_alias("mallorys", "best", "1")
    return PinnedModel("mallorys", "1", digest, EXTERNAL, uri)


def promote_ours(home, log_in):
    """The first promotion, by training."""
    log_in("training")
    registry = Registry(home)
    import mlflow

    digest = write_bundle(home.root / "ours" / "artifacts" / "bundle", ["dog"])
    with mlflow.start_run(experiment_id=registry.experiment("ours")):
        mlflow.log_artifacts(str(home.root / "ours"), "model")
        source = mlflow.get_artifact_uri("model")
        run = mlflow.active_run().info.run_id
    client = mlflow.MlflowClient(home.tracking_uri)
    version = client.create_model_version(
        MODEL, source, run_id=run, tags={DIGEST_TAG: digest, ENGINE_TAG: "tensorflow-float32"}
    )
    return Promotions(home).promote(MODEL, version.version, 0, "training")


@pytest.fixture
def nightcap(home, capsys, monkeypatch):
    """Runs a command in this process: its exit status, and all that it writes in a line."""
    monkeypatch.setenv("NIGHTCAP_HOME", str(home.root))
    monkeypatch.setenv("NIGHTCAP_PROMOTED_ONLY", "true")

    def run(*arguments):
        with pytest.raises(SystemExit) as ended:
            main(list(arguments))
        done = capsys.readouterr()
        return ended.value.code or 0, " ".join((done.out + done.err).split())

    return run


def test_nobody_registers_the_champions_name_first(home, guarded_mlflow, logged_in):
    """Its owner could set its alias and tags."""
    logged_in("mallory")
    mallory = guarded_mlflow.account("mallory")
    for path, body in (
        ("registered-models/create", {"name": MODEL}),
        ("model-versions/create", {"name": MODEL, "source": "mlflow-artifacts:/0/x"}),
        ("registered-models/set-tag", {"name": MODEL, "key": ENTRY_TAG, "value": "9"}),
    ):
        with pytest.raises(Refused):
            mallory.call("POST", f"2.0/mlflow/{path}", **body)
    assert not Registry(home).versions(MODEL)


@pytest.mark.parametrize("promoted", [False, True])
def test_a_strangers_code_never_runs(home, marker, planted, logged_in, nightcap, promoted):
    """Before the first promotion and after it: when a night pins, when it loads, and from the command line."""
    if promoted:
        promote_ours(home, logged_in)
    logged_in("nights")
    says = {"models:/mallorys@champion": "an alias alone counts for nothing"}
    for model in ("models:/mallorys@champion", "models:/mallorys@best", "models:/mallorys/1"):
        for each in (home, replace(home, promoted_only=False)):
            with pytest.raises(SettingsError, match=says.get(model, "the promotion journal does not name it")):
                pin_for_night(settings_of(model=model), each)
    for each in (home, replace(home, promoted_only=False)):  # as from a plan that somebody has altered
        with pytest.raises(SettingsError, match="the promotion journal does not name it"):
            load_for_night(each, planted)
    code, said = nightcap("night", "--model", planted.uri)
    assert code == 2
    assert "models:/mallorys/1 runs code of others" in said
    code, said = nightcap("caption", str(home.root / "inbox"), "--model", planted.uri)
    assert code == 2
    assert "models:/mallorys/1 runs code of others" in said
    assert "named by nobody" in said
    assert "--trust" in said
    assert not marker.exists()
    if promoted:
        assert pin_for_night(settings_of(model=f"models:/{MODEL}@champion"), home).version == "1"


@pytest.mark.parametrize("account", ["mallory", "nights"])
def test_nobody_else_changes_the_champion_that_training_promoted(home, planted, guarded_mlflow, logged_in, account):
    logged_in("nights")
    if not Registry(home).versions(MODEL):
        promote_ours(home, logged_in)
        logged_in("nights")
    promoted = pin_for_night(settings_of(model=f"models:/{MODEL}@champion"), home)
    for path, body in (
        ("registered-models/alias", {"name": MODEL, "alias": CHAMPION, "version": "1"}),
        ("registered-models/set-tag", {"name": MODEL, "key": ENTRY_TAG, "value": "9"}),
        ("model-versions/create", {"name": MODEL, "source": planted.uri}),
    ):
        with pytest.raises(Refused):
            guarded_mlflow.account(account).call("POST", f"2.0/mlflow/{path}", **body)
    assert pin_for_night(settings_of(model=f"models:/{MODEL}@champion"), home) == promoted


def test_a_person_may_trust_it_once(home, marker, planted, logged_in, nightcap):
    """So the marker tells of a run; no night may run it for that."""
    logged_in("nights")
    code, said = nightcap("caption", str(home.root / "inbox"), "--model", planted.uri, "--trust")
    assert code == 0, said
    assert '"caption": "a trap"' in said
    assert "models:/mallorys/1 runs code of others" in said
    assert marker.exists()
    marker.unlink()
    with pytest.raises(SettingsError, match="does not name it"):
        pin_for_night(settings_of(model=planted.uri), home)


def test_who_may_write_the_journal_lets_it_run(home, marker, planted, logged_in, nightcap):
    """Only this version: another one, or an alias on one, still counts for nothing."""
    logged_in("training")
    code, said = nightcap("models", "external", planted.uri, "--why", "I read it")
    assert code == 0, said
    assert not marker.exists()
    logged_in("nights")
    pin_for_night(settings_of(model=planted.uri), home)
    code, said = nightcap("night", "--model", planted.uri, "--set", "unusable=record")
    assert code == 0, said
    assert marker.exists()
    marker.unlink()
    logged_in("mallory")
    second = log_model(home, "mallorys", home.root / "mallorys.py")
    Registry(home).tag("mallorys", "2", {ENGINE_TAG: EXTERNAL, DIGEST_TAG: planted.digest})
    Registry(home).set_alias("mallorys", "best", "2")
    logged_in("nights")
    for model in (second, "models:/mallorys@best"):
        with pytest.raises(SettingsError, match="the promotion journal does not name it"):
            pin_for_night(settings_of(model=model), home)
    assert not marker.exists()


APART = """
import ctypes, importlib.util, json, os, signal, struct, sys
spec = importlib.util.spec_from_file_location("child", sys.argv[1])
child = importlib.util.module_from_spec(spec)
spec.loader.exec_module(child)
folder, libc = sys.argv[2], ctypes.CDLL(None)

def reached():
    ways = {
        "environment": lambda: open(f"/proc/{other}/environ", "rb").read(),
        "memory": lambda: open(f"/proc/{other}/mem", "rb").close(),
        "signal": lambda: os.kill(other, signal.SIGCONT),
        "file": lambda: open(f"{folder}/a/file", "x").close(),
        "move": lambda: os.replace(f"{folder}/a/file", f"{folder}/b/file"),
        "own child": lambda: os.kill(os.posix_spawn("/bin/sleep", ["sleep", "0"], {}), 0),
    }
    return [name for name, way in ways.items() if succeeds(way)]

def succeeds(way):
    try:
        way()
    except PermissionError:
        return False
    return True

libc.prctl(child.NO_NEW_PRIVILEGES, 1, 0, 0, 0)
libc.capset(struct.pack("=Ii", 0x20080522, 0), bytes(24))  # root may else read everything
quiet = [(os.POSIX_SPAWN_CLOSE, descriptor) for descriptor in (1, 2)]  # else who reads our output waits for it
secrets = {"AIRFLOW__CORE__FERNET_KEY": "canary-3f9a"}
other = os.posix_spawn("/bin/sleep", ["sleep", "60"], secrets, file_actions=quiet)
print(json.dumps([other, reached(), child.stand_apart(), reached()]))
"""


def test_its_code_reads_and_stops_no_other_process_of_its_user(tmp_path):
    """Airflow's own, say, which runs beside it and hides nothing; what it does with files stays as it was."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    command = [sys.executable, "-I", "-c", APART, child.__file__, str(tmp_path)]
    told = subprocess.run(command, check=True, capture_output=True).stdout
    other, before, is_apart, after = json.loads(told)
    os.kill(other, signal.SIGKILL)
    assert before == ["environment", "memory", "signal", "file", "move", "own child"]
    if not is_apart:
        pytest.skip("this kernel has no Landlock that leaves files as they are")
    assert set(after) - {"signal"} == {"file", "move", "own child"}  # signals since Linux 6.12
