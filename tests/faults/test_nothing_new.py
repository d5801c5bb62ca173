"""Scenario 26: a night with nothing new loads no model and writes nothing but what tells that."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline.captioner import pin
from pipeline.home import Home
from pipeline.objects import open_folder
from serving.night import run_night
from serving.settings import NightSettings
from tests.faults.registered_bundle import CHAMPION_URI, loader, register_champion
from tests.serving.night_world import World

PICTURES, OTHERS, LIMIT_S = 20, 2000, 10.0
NIGHT = """
import json, resource, sys
from nightcap.cli import main
try:
    main(["night", "--night", "n2"])
except SystemExit as ended:
    code = ended.code
used = resource.getrusage(resource.RUSAGE_SELF)
heavy = {"tensorflow", "keras", "h5py", "airflow", "great_expectations"} & set(sys.modules)
print(json.dumps({"code": code, "cpu_s": used.ru_utime + used.ru_stime, "loaded": sorted(heavy)}))
"""


@pytest.fixture
def world(tmp_path):
    """Every picture is captioned by a version that is still the champion."""
    world = World(Home(tmp_path, tmp_path / "store", f"sqlite:///{tmp_path / 'mlflow.db'}"))
    register_champion(world.home)
    world.fill(PICTURES)
    for number in range(OTHERS):
        world.put(f"broken/{number}.jpg", b"")
    settings = NightSettings(model=CHAMPION_URI, accept_quarantine=True)
    run_night(settings, world.home, pin(world.home, CHAMPION_URI), loader(world.home), world.attempt())
    return world


def files(folder):
    return {path.relative_to(folder): path.lstat().st_mtime_ns for path in folder.rglob("*") if not path.is_dir()}


def test_26_nothing_new_loads_no_model_and_touches_no_table(world, record_property):
    store, root = world.home.store, world.home.root
    before, cache = files(store), files(root / "cache")
    environ = {**os.environ, "NIGHTCAP_HOME": str(root)}
    started = time.monotonic()
    done = subprocess.run([sys.executable, "-c", NIGHT], env=environ, capture_output=True, text=True, check=True)
    took = time.monotonic() - started
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["code"] in {None, 0}
    assert f"0 captioned, 0 quarantined, {PICTURES + OTHERS} unchanged" in done.stderr
    assert told["loaded"] == []
    # What other processes take from this machine is not ours: so the limit is on its own time.
    assert told["cpu_s"] - listing(world) < LIMIT_S
    record_property("seconds", round(took, 1))
    record_property("cpu_s", round(told["cpu_s"], 1))

    after = files(store)
    new = {path for path in after if path not in before}
    assert {path: after[path] for path in before} == before
    assert new == {
        Path("nights/n2/manual__n2", name) for name in ("plan/plan.json", "summary.json", "gallery/index.html")
    }
    assert (store / "nights" / "latest").resolve() == world.folder("n1")
    assert files(root / "cache") == cache


def listing(world):
    """Seconds of processor time to list the input."""
    started = time.process_time()
    assert len(list(open_folder(str(world.home.inbox)).list())) == PICTURES + OTHERS
    return time.process_time() - started
