"""Attempts that nobody will publish."""

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from serving.planning.plan import plan
from serving.publish import publish
from serving.runs.lifecycle import RunFolder, claim_name, clear_attempts
from tests.serving.night_world import PINNED, settings_of


def aged(folder, days):
    before = time.time() - days * 86_400
    for path in (folder, *folder.rglob("*")):
        os.utime(path, (before, before))


def test_only_old_attempts_that_were_not_published_go(world):
    world.fill(2)
    paths = {night: world.captioned(night) for night in ("published", "stale", "young")}
    publish(paths["published"])
    scratch = world.folder("stale").parent / ".r1.dead"
    scratch.mkdir()
    for folder in (world.folder("published"), world.folder("stale"), scratch):
        aged(folder, 8)
    assert clear_attempts(world.home.store, 7) == 2
    assert [world.folder(night).exists() for night in paths] == [True, False, True]
    assert clear_attempts(world.home.store, 7) == 0


@pytest.mark.parametrize(("days", "gone"), [(0.5, set()), (2, {"silent"}), (8, {"silent", "held"})])
def test_no_day_at_all_spares_nights_at_work_and_those_that_wait_for_a_person(world, days, gone):
    world.fill(2)
    for night in ("silent", "held"):
        world.captioned(night)
    RunFolder(folder=world.folder("held")).hold(["drift"], "too far off")
    for night in ("silent", "held"):
        aged(world.folder(night), days)
    assert clear_attempts(world.home.store, 0) == len(gone)
    assert {night for night in ("silent", "held") if not world.folder(night).exists()} == gone


def test_names_of_nights_that_were_claimed_and_never_planned_go(world):
    for name in ("old", "young"):
        claim_name(world.home.store / "nights", name)
    aged(world.home.store / "nights" / "old", 8)
    clear_attempts(world.home.store, 7)
    assert [path.name for path in (world.home.store / "nights").iterdir()] == ["young"]


def test_of_processes_that_claim_one_name_each_gets_another(tmp_path):
    with ThreadPoolExecutor(8) as threads:
        names = list(threads.map(lambda _: claim_name(tmp_path / "nights", "n"), range(24)))
    assert sorted(names) == sorted(["n", *(f"n.{number}" for number in range(2, 25))])


def test_an_empty_store(tmp_path):
    assert clear_attempts(tmp_path, 0) == 0


def test_nights_that_were_planned_and_left_alone_go_but_not_those_with_nothing_to_do(world):
    plan(settings_of(), world.home, PINNED, world.attempt("idle"))
    world.fill(1)
    plan(settings_of(), world.home, PINNED, world.attempt("left"))
    for night in ("idle", "left"):
        aged(world.folder(night), 8)
    assert clear_attempts(world.home.store, 7) == 1
    assert world.folder("idle").exists()
    assert not world.folder("left").exists()


def test_what_late_attempts_wrote_goes(world):
    world.fill(1)
    publish(world.captioned("published"))
    for late in (world.folder("published") / "parts", world.folder("removed") / "parts"):
        late.mkdir(parents=True)
        (late / "00000-0000.parquet").touch()
    for night in ("published", "removed"):
        aged(world.folder(night), 8)
    assert clear_attempts(world.home.store, 7) == 2
    assert not (world.folder("published") / "parts").exists()
    assert not world.folder("removed").exists()
    assert (world.folder("published") / "plan" / "plan.json").exists()


STRUCK = """
import os, sys
from pathlib import Path
from serving.runs.lifecycle import clear_attempts
os.unlink = lambda *given, **named: os._exit(9)
clear_attempts(Path(sys.argv[1]), 7)
"""


def test_a_run_whose_removal_was_struck_is_planned_anew_with_nothing_of_the_old(world):
    world.fill(2)
    world.captioned("stale")
    aged(world.folder("stale"), 8)
    command = [sys.executable, "-c", STRUCK, str(world.home.store)]
    assert subprocess.run(command, check=False).returncode == 9
    assert not world.folder("stale").exists()
    left = [path for path in world.folder("stale").parent.iterdir() if path.is_dir()]
    assert left
    for path in left:
        aged(path, 8)
    assert clear_attempts(world.home.store, 7) == 1
    assert not any(path.exists() for path in left)
