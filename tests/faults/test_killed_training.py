"""Scenarios 2 and 3: a training that is killed, or whose newest checkpoint is cut, ends with the very same weights."""

import json
import logging
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.storage.files import read_json, sha256_file
from tests.pipeline.training import toy

pytestmark = pytest.mark.timeout(900)

CHECKOUT = Path(__file__).resolve().parents[2]
LAST = "epoch-0003-step-0000000"


@pytest.fixture(scope="module")
def battlefield(tmp_path_factory):
    """Trainings that were left alone, killed at each point, and cut short; and what was seen after each kill."""
    root = tmp_path_factory.mktemp("under fire")
    command = [sys.executable, "-m", "tests.faults.training_under_fire", root]
    done = subprocess.run(command, capture_output=True, text=True, timeout=850, check=False, cwd=CHECKOUT)
    assert done.returncode == 0, done.stderr[-3000:]
    return root, [json.loads(line) for line in done.stdout.splitlines()]


def weights_of(folder):
    """Digests of the kept weights if any are, and of the last step's with optimizer, averages and random state."""
    return {path.name: sha256_file(path) for path in [*folder.glob("*.h5"), folder / LAST / "variables.npz"]}


def curves_of(folder):
    """What each epoch reported, and which one was kept; times left out."""
    told = read_json(folder / LAST / "progress.json")["progress"]["progress"]
    curves = [{name: value for name, value in row.items() if name != "seconds"} for row in told["curves"]]
    return curves, told["kept_epoch"], told["best_epoch"]


@pytest.mark.parametrize("stage", ["train", "refine"])
def test_2_killed_at_five_points_it_ends_with_the_weights_of_an_uninterrupted_training(battlefield, stage):
    root, told = battlefield
    kills = [kill for kill in told if kill["stage"] == stage]
    assert [kill["signal"] for kill in kills] == [signal.SIGKILL] * 5
    whole, killed = root / "whole" / stage, root / "killed" / stage
    assert weights_of(killed) == weights_of(whole)
    assert stage == "refine" or "decoder.weights.h5" in weights_of(whole)
    assert curves_of(killed) == curves_of(whole)


@pytest.mark.parametrize("stage", ["train", "refine"])
def test_2_each_kill_struck_where_it_was_meant_to(battlefield, stage):
    _, told = battlefield
    step, write, judge, save, named = [kill["left"] for kill in told if kill["stage"] == stage]
    first, second, third = (f"epoch-0000-step-000000{number}" for number in (1, 2, 3))
    assert step == [first]
    assert [name for name in write if name.startswith(".")], "a half-written checkpoint"
    assert second in write
    assert judge == save == [second, third]
    assert named == [second, third, "epoch-0001-step-0000000"]


@pytest.mark.parametrize("share", [0.99, 0.5, 0.05, 0.0])
def test_3_the_newest_checkpoint_cut_it_says_so_and_takes_the_one_before(battlefield, tmp_path, caplog, share):
    root, _ = battlefield
    shutil.copytree(root / "cut" / "train", tmp_path / "train")
    before, newest = sorted((tmp_path / "train").glob("epoch-*"))
    assert (before.name, newest.name) == ("epoch-0001-step-0000001", "epoch-0001-step-0000002")
    variables = newest / "variables.npz"
    data = variables.read_bytes()
    variables.write_bytes(data[: int(len(data) * share)])
    with caplog.at_level(logging.INFO):
        toy.trained(tmp_path / "train", epochs=3)
    [warning] = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert warning.startswith(f"checkpoint {newest.name} is damaged (variables.npz does not match its digest)")
    assert "train: resuming after epoch 1 and 1 steps" in caplog.text
    assert weights_of(tmp_path / "train") == weights_of(root / "whole" / "train")
