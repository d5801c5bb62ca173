"""Scenario 26: a night with nothing new loads no model and writes nothing but what tells that."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline.registry.loading import pin
from pipeline.storage.objects import open_folder
from serving.night import run_night
from serving.runs.settings import NightSettings
from tests.faults.registered_bundle import CHAMPION_URI, loader, register_champion
from tests.serving.night_world import World

IMAGES, OTHERS = 20, 2000
# Both start Python, read the registry and import nothing that makes models. Seen with two cores: 4.1 s against 3.8 s.
NIGHT, BASELINE, LIMIT = ["night", "--night", "n2"], ["models", "list"], 2.0
MEASURED = """
import json, resource, sys
from nightcap.cli import main
try:
    main(sys.argv[1:])
except SystemExit as ended:
    code = ended.code
used = resource.getrusage(resource.RUSAGE_SELF)
heavy = {"tensorflow", "keras", "h5py", "airflow", "great_expectations"} & set(sys.modules)
print(json.dumps({"code": code, "cpu_s": used.ru_utime + used.ru_stime, "loaded": sorted(heavy)}))
"""


@pytest.fixture
def world(tmp_path):
    """Every image is captioned by a version that is still the champion."""
    world = World.within(tmp_path)
    register_champion(world.home)
    world.fill(IMAGES)
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
    baseline, _ = measured(BASELINE, root)
    night, told = measured(NIGHT, root)
    assert f"0 captioned, 0 quarantined, {IMAGES + OTHERS} unchanged" in told
    assert night["loaded"] == []
    # The 10 s of the fault list depend on the machine and on what else it does; this ratio does not.
    beyond_listing = night["cpu_s"] - listing(world)
    assert beyond_listing < LIMIT * baseline["cpu_s"]
    record_property("cpu_s", round(night["cpu_s"], 1))
    record_property("ratio", round(beyond_listing / baseline["cpu_s"], 2))

    after = files(store)
    new = {path for path in after if path not in before}
    assert {path: after[path] for path in before} == before
    assert new == {
        Path("nights/n2/manual__n2", name) for name in ("plan/plan.json", "summary.json", "gallery/index.html")
    }
    assert (store / "nights" / "latest").resolve() == world.folder("n1")
    assert files(root / "cache") == cache


def measured(arguments, root):
    """What a command of Nightcap used and loaded, and what it said on standard error."""
    environ = {**os.environ, "NIGHTCAP_HOME": str(root)}
    process = [sys.executable, "-c", MEASURED, *arguments]
    done = subprocess.run(process, env=environ, capture_output=True, text=True, check=True)
    used = json.loads(done.stdout.splitlines()[-1])
    assert used["code"] in {None, 0}, done.stderr
    return used, done.stderr


def listing(world):
    """Seconds of processor time to list the input."""
    started = time.process_time()
    assert len(list(open_folder(str(world.home.inbox)).list())) == IMAGES + OTHERS
    return time.process_time() - started
