"""Of training's home, nights write their own folders alone: as the stack's file says, and in a real read-only mount."""

import os
import shlex
import subprocess
import sys
from pathlib import PurePosixPath

import pytest

from tests.infra.compose_file import CHECKOUT
from tests.infra.conftest import checkout, whole
from tests.infra.test_airflow_init import asked
from tests.serving.night_world import World

__all__ = ["checkout", "whole"]  # pytest finds fixtures by name

HOME = "/var/lib/nightcap"
TRAININGS = [
    "outputs.json",
    "stages/train/abc/weights",
    "corrections/_delta_log/0.json",
    "features/x",
    "forgotten/salt",
]
TRAININGS += ["forgotten.lock", "rejected/x", "unfinished/train/abc/stage.json", "promotions/00000001.json"]

NIGHT = """
import errno, os, sys
from dataclasses import replace
from pathlib import Path
from tests.serving.night_world import World
folder, places = Path(sys.argv[1]), sys.argv[2:]
world = World.within(folder / "home")
world.home = replace(world.home, table=str(folder / "captions" / "captions"))
world.night()
print(len(world.rows()), "captioned")
for place in map(Path, places):
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with place.open("ab"):
            print("written:", place)
    except OSError as error:
        assert error.errno == errno.EROFS, error
for folder in (world.home.store, world.home.root):
    try:
        folder.rename(folder.with_name("aside"))
        print("renamed:", folder)
    except OSError:
        pass
sys.stdout.flush()
os._exit(0)  # threads of Arrow that still run abort a process that ends by itself
"""


def mounts(service):
    """What a container has under which path: volume, and whether it may write there."""
    found = {each["target"]: each for each in service.get("volumes", [])}
    return {target: (each["source"], not each.get("read_only", False)) for target, each in found.items()}


def writes(service, path):
    """Whether a service may write a path, by the innermost mount above it."""
    above = [str(each) for each in (PurePosixPath(path), *PurePosixPath(path).parents)]
    found = mounts(service)
    return next((found[each][1] for each in above if each in found), False)


def test_nights_and_who_only_reads_write_nothing_of_trainings(whole):
    readers = {name for name in whole["services"] if name.startswith("airflow-")} - {"airflow-init"}
    for name in (*readers, "worker-nights", "exporter", "backup", "backup-captions"):
        service = whole["services"][name]
        paths = [HOME, f"{HOME}/train.yaml", *(f"{HOME}/store/{place}" for place in TRAININGS), "/etc/nightcap/x"]
        assert [path for path in paths if writes(service, path)] == [], name
        if name != "worker-nights":
            assert not [target for target in mounts(service) if target.startswith(HOME) and writes(service, target)]
    assert all(writes(whole["services"]["worker-training"], f"{HOME}/store/{place}") for place in TRAININGS)
    assert not writes(whole["services"]["worker-training"], "/var/lib/captions/captions")


def test_no_service_has_the_cache_of_nights_for_its_own(whole):
    """Whoever fills a cache could change a model between its check and its use."""
    cache = f"{HOME}/cache"
    assert mounts(whole["services"]["worker-nights"])[cache] == ("nights-cache", True)
    others = {name: mounts(each) for name, each in whole["services"].items() if name != "worker-nights"}
    assert [name for name, found in others.items() if cache in found] == []


def test_airflows_own_folder_is_shared_by_nobody(whole):
    """Airflow runs what lies there: `airflow.cfg` may name commands, `config/` and `webserver_config.py` are Python."""
    for name, service in whole["services"].items():
        shared = [each["target"] for each in service.get("volumes", []) if each["target"].startswith("/opt/airflow")]
        assert set(shared) <= {"/opt/airflow/logs"}, name


def test_volumes_are_mounted_where_they_were_by_all_who_have_them(whole):
    """Else a service looks at an empty folder of the home below the volume."""
    places = {}
    for service in whole["services"].values():
        for target, (source, _) in mounts(service).items():
            if target.startswith(f"{HOME}/store/"):
                places.setdefault(source, set()).add(target)
    assert places == {
        name: {f"{HOME}/store/{folder}"}
        for name, folder in [(each, each.replace("-", "_")) for each in ("nights", "outputs", "cursors", "last-known")]
    }
    assert set(places) <= set(whole["volumes"])


def test_a_night_does_its_work_where_it_may_write_nothing_else(whole, tmp_path):
    if subprocess.run(["unshare", "--mount", "true"], check=False, capture_output=True).returncode:
        pytest.skip("needs a mount namespace of its own")
    world = World.within(tmp_path / "home")
    world.fill(3)
    (tmp_path / "captions").mkdir()
    (tmp_path / "bin").mkdir()
    asked(tmp_path / "bin", NIGHTCAP_HOME=str(world.home.root))  # makes the folders to mount in
    steps = [f"mount --bind {world.home.root} {world.home.root}", f"mount -o remount,bind,ro {world.home.root}"]
    for target, (volume, may_write) in sorted(mounts(whole["services"]["worker-nights"]).items()):
        if target.startswith(f"{HOME}/"):
            assert may_write
            (tmp_path / volume).mkdir()
            steps.append(f"mount --bind {tmp_path / volume} {world.home.root}{target.removeprefix(HOME)}")
    places = [str(world.home.store / place) for place in TRAININGS] + [str(world.home.root / "train.yaml")]
    command = shlex.join([sys.executable, "-c", NIGHT, str(tmp_path), *places])
    environment = {"PATH": os.defpath, "PYTHONPATH": str(CHECKOUT), "HOME": str(world.home.root)}
    told = subprocess.run(
        ["unshare", "--mount", "sh", "-c", f"{' && '.join(steps)} && exec {command}"],
        check=False,
        capture_output=True,
        text=True,
        env=environment,
    )
    assert told.returncode == 0, told.stderr
    assert told.stdout.splitlines() == ["3 captioned"]
    assert (tmp_path / "nights" / "n1" / "r1" / "summary.json").is_file()


def test_an_older_stacks_nights_move_into_their_volumes(whole, tmp_path):
    """The command of `upgrade-volumes`, in folders that stand for what it mounts."""
    service = whole["services"]["upgrade-volumes"]
    folders = {}
    for target, (volume, _) in mounts(service).items():
        folders[target] = tmp_path / "volumes" / volume
        folders[target].mkdir(parents=True)
    store = folders["/srv/home"] / "store"
    kept = ["nights/n1/r1/held.json", "outputs/n1/r1.json", "cursors/a.json", "last_known/.b.json"]
    for name in [*kept, "stages/train/abc/stage.json"]:
        (store / name).parent.mkdir(parents=True, exist_ok=True)
        (store / name).write_text(name)
    (folders["/opt/airflow/logs"] / "logs" / "dag_id=a").mkdir(parents=True)
    script = service["command"][-1].replace("$$", "$")
    for target in sorted(folders, key=len, reverse=True):
        script = script.replace(target, str(folders[target]))
    script = script.replace(f"{HOME}/store/$each", f"{tmp_path / 'volumes'}/$(echo $each | tr _ -)")
    for _ in range(2):
        subprocess.run(["sh", "-ec", script], check=True)
    assert [(tmp_path / "volumes" / name.replace("last_known", "last-known")).read_text() for name in kept] == kept
    assert [path for path in store.rglob("*") if path.is_file()] == [store / "stages/train/abc/stage.json"]
    assert (folders["/opt/airflow/logs"] / "dag_id=a").is_dir()
