"""`nightcap gc` beside whoever works, and struck in its midst."""

import subprocess
import sys
import time

import numpy as np
import pytest

from pipeline.storage.files import read_json
from pipeline.storage.stage_outputs import Store
from pipeline.storage.trash import TRASH
from pipeline.upkeep.gc.mark import Reachable
from pipeline.upkeep.gc.sweep import collect, find_garbage
from tests.nightcap.commands.gc.trainings import files, trainings, unwanted
from tests.pipeline.training.training_outputs import age

BUILDING = """
import sys, time
from pathlib import Path
from pipeline.storage.stage_outputs import Store

store = Store(Path(sys.argv[1]))
store.find("encoder", sys.argv[2])
def build(folder):
    print("begun", flush=True)
    sys.stdin.read()
store.run("train", 2, {}, {"validate": sys.argv[3]}, build)
"""


def test_a_training_at_work_is_left_alone(home, gc):
    digests = [unwanted(home, stage) for stage in ("encoder", "validate")]
    command = [sys.executable, "-c", BUILDING, str(home.store), *digests]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "begun\n"
        age(home.store)
        gc("--yes", "--keep-days", "0")
        assert trainings(home)["unwanted"] == {"snapshot", "validate", "encoder"}
        process.stdin.close()
        assert process.wait() == 0
    assert "train" in trainings(home)["unwanted"]
    age(home.store)
    gc("--yes")
    assert "unwanted" not in trainings(home)


def test_what_is_taken_up_after_it_was_marked_stays_with_what_it_was_made_from(home):
    reach = Reachable(home, (), 0, time.time() - 86_400)
    found, store = find_garbage(reach), Store(home.store)
    store.find("train", unwanted(home, "train"))
    collect(reach, found)
    assert trainings(home)["unwanted"] == {"snapshot", "validate", "encoder", "extract_features", "train"}


@pytest.mark.parametrize("after", [0, 2, 9, 20])
def test_struck_midway_everything_is_whole_or_gone(home, gc, monkeypatch, after):
    """A process that dies in the midst of renaming and removing; what is left is whole, and the next finishes."""
    script = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "import shutil\n"
        f"left = [{after}]\n"
        "def struck(do):\n"
        "    def call(*given, **named):\n"
        "        left[0] -= 1\n"
        "        if left[0] < 0: os._exit(9)\n"
        "        return do(*given, **named)\n"
        "    return call\n"
        "Path.rename = struck(Path.rename)\n"
        "os.unlink = struck(os.unlink)\n"
        "from nightcap.cli import main\n"
        "main(['gc', '--runs', '0', '--yes'])\n"
    )
    whole = {folder: files(folder) for folder in home.store.glob("stages/*/[0-9a-f]*")}
    ended = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True)
    assert ended.returncode == 9, ended.stderr
    for folder, content in whole.items():
        assert files(folder) in (content, set())
    for index in (home.store / "features").glob("*/*.json"):
        assert np.load(index.with_suffix(".npy")).shape[0] == len(read_json(index))
    age(home.root)
    gc("--yes")
    assert not list((home.store / TRASH).iterdir())
    stored = {kind: {path.stem for path in home.store.glob(f"features/*/*.{kind}")} for kind in ("npy", "json")}
    assert stored["npy"] == stored["json"]
    assert trainings(home).keys() == {"1", "2", "3", "4"}
