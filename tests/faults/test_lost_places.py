"""Disks that are not mounted: a place that was full and is empty stops what would begin it anew."""

import json
import os
import shutil
import subprocess
from contextlib import contextmanager
from dataclasses import replace

import pytest

from pipeline.core.errors import NightcapError, SettingsError
from pipeline.upkeep.backup.folders import add_folder, every_file
from pipeline.upkeep.backup.stack import copy_early
from serving.runs.places import Places
from tests.faults.lost import stops, unmounted
from tests.serving.night_world import image, unexpected


def mounted_again(folder):
    shutil.rmtree(folder)
    shutil.move(f"{folder}.disk", folder)


@contextmanager
def mounted(folder, disk):
    """Another folder mounted at one."""
    for each in (folder, disk):
        each.mkdir(parents=True, exist_ok=True)
    if subprocess.run(["mount", "--bind", disk, folder], check=False).returncode:
        pytest.skip("nothing can be mounted here")
    try:
        yield
    finally:
        subprocess.run(["umount", folder], check=True)


def died(*_):
    raise KeyboardInterrupt


def test_an_input_that_was_full_and_is_an_empty_mount_point(world):
    world.fill(3)
    assert world.night().captioned == 3
    disk = unmounted(world.home.inbox)
    assert stops(lambda: world.night("n2", load=unexpected), f"input {world.home.inbox} holds no image", "3 images")
    assert not list(world.home.store.glob("nights/n2/*"))
    (world.home.inbox / "NOT_MOUNTED.txt").write_text("the disk is away")
    assert stops(lambda: world.night("n2", load=unexpected))
    shutil.move(disk / "000.jpg", world.home.inbox)  # one image is no empty place
    assert world.night("n2", load=unexpected).counts.unchanged == 1


def test_an_input_whose_folder_is_gone(world, tmp_path):
    folder = tmp_path / "photographs"
    folder.mkdir()
    (folder / "a.jpg").write_bytes(image((9, 9, 9)))
    assert world.night(input=str(folder)).captioned == 1
    folder.rename(tmp_path / "away")
    assert stops(lambda: world.night("n2", input=str(folder)), f"input {folder} is not there", "1 images")
    with pytest.raises(SettingsError, match="create it or name another"):
        world.night("n3", input=str(tmp_path / "mistyped"))
    assert stops(lambda: world.night("n4", input=str(folder), accept_empty=True), "make the folder, and accept_empty")
    folder.mkdir()
    assert world.night("n5", input=str(folder), load=unexpected, accept_empty=True).captioned == 0
    assert world.night("n6", input=str(folder), load=unexpected).captioned == 0


def test_a_person_says_that_an_input_was_emptied_on_purpose(world):
    world.fill(2)
    world.night()
    shutil.rmtree(world.home.inbox)
    assert world.night("n2", load=unexpected, accept_empty=True).captioned == 0
    assert world.night("n3", load=unexpected).captioned == 0  # it is known to be empty now
    world.fill(1, start=9)
    assert world.night("n4").captioned == 1
    shutil.rmtree(world.home.inbox)
    assert stops(lambda: world.night("n5"))


def test_accepting_counts_only_for_a_night_that_was_planned(world, tmp_path):
    """Else a night that fails leaves the next one free to begin a table anew unasked."""
    world.fill(2)
    world.night()
    shutil.rmtree(world.home.captions)
    folder = tmp_path / "away"
    with pytest.raises(NightcapError, match="create it or name another"):
        world.night("n2", input=str(folder), accept_empty=True)
    disk = unmounted(world.home.inbox)
    with pytest.MonkeyPatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr("serving.planning.plan._write_shards", died)
        world.night("n3", accept_empty=True)
    assert stops(lambda: world.night("n4", load=unexpected), "is not there", "2 rows")
    mounted_again(world.home.inbox)
    assert not disk.exists()
    assert world.night("n5", accept_empty=True).captioned == 2
    unmounted(world.home.inbox)
    assert stops(lambda: world.night("n6", load=unexpected), "holds no image")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts")
def test_a_disk_in_an_input(world, tmp_path):
    """A folder in an input that was a disk of its own and is an empty mount point, whatever else the input holds."""
    year = world.home.inbox / "with blank/2026"
    with mounted(year, tmp_path / "disk"):
        world.put("with blank/2026/a.jpg", image((1, 1, 1)))
        world.fill(2)
        assert world.night().captioned == 3
        assert world.night("n1b", load=unexpected).captioned == 0
    named = f"input {world.home.inbox} had a disk of its own in with blank/2026, which holds no image"
    assert stops(lambda: world.night("n2", load=unexpected), named)
    assert not list(world.home.store.glob("nights/n2/*"))
    year.rmdir()
    assert stops(lambda: world.night("n3", load=unexpected, layout="%Y-%m-%d"), named)
    with mounted(year, tmp_path / "disk"):
        assert world.night("n4", load=unexpected).counts.unchanged == 3
    world.put("with blank/2026/b.jpg", image((2, 2, 2)))  # it is an ordinary folder now
    assert world.night("n5").captioned == 1
    shutil.rmtree(year)
    assert world.night("n6", load=unexpected).captioned == 0
    with mounted(year, tmp_path / "disk"):
        world.night("n7", load=unexpected)
    assert stops(lambda: world.night("n8", load=unexpected), named)
    assert world.night("n9", load=unexpected, accept_empty=True).captioned == 0
    assert world.night("n10", load=unexpected).captioned == 0


def test_one_of_two_inputs(world, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "a.jpg").write_bytes(image((1, 2, 3)))
    world.fill(1)
    world.night("n1")
    world.night("n2", input=str(other))
    unmounted(other)
    world.fill(1, start=1)
    assert world.night("n3").captioned == 1
    assert stops(lambda: world.night("n4", input=str(other)), f"input {other} holds no image")


def test_only_some_days_are_listed(world):
    """Days without an image are no empty input; an input without one is, and its cursor stays."""
    world.put("2026-03-01/a.jpg", image((1, 1, 1)))
    assert world.night("n1", layout="%Y-%m-%d").captioned == 1
    assert [world.night(night, layout="%Y-%m-%d").counts.listed for night in ("n2", "n2b")] == [1, 0]
    cursors = {path: path.read_text() for path in (world.home.store / "cursors").iterdir()}
    unmounted(world.home.inbox)
    assert stops(lambda: world.night("n3", layout="%Y-%m-%d"), "1 images")
    assert {path: path.read_text() for path in cursors} == cursors
    mounted_again(world.home.inbox)
    world.put(f"{world.now:%Y-%m-%d}/b.jpg", image((2, 2, 2)))
    assert world.night("n4", layout="%Y-%m-%d").captioned == 1


def test_a_manifest_without_an_image(world):
    world.fill(2)
    manifest = world.home.root / "manifest.csv"
    manifest.write_text("key,etag,size\n000.jpg,e,700\n")
    world.night(manifest=str(manifest))
    manifest.write_text("key,etag,size\n")
    assert stops(lambda: world.night("n2", manifest=str(manifest)), f"no image in manifest {manifest}")
    assert world.night("n3", manifest=str(manifest), accept_empty=True).counts.listed == 0


def test_the_stores_own_disk(world):
    """The home itself remembers, too, what lay on the disk."""
    world.home = replace(world.home, store=world.home.root / "big" / "store")
    world.fill(2)
    world.night()
    unmounted(world.home.root / "big")
    assert stops(lambda: world.night("n2", load=unexpected), f"table {world.home.captions} is not there")


def test_a_home_without_the_memory_goes_on_and_gets_one(world):
    world.fill(2)
    world.night()
    for folder in Places.of(world.home).folders:
        shutil.rmtree(folder)
    assert world.night("n2", load=unexpected).counts.unchanged == 2
    unmounted(world.home.captions)
    assert stops(lambda: world.night("n3", load=unexpected), "2 rows")


@pytest.mark.parametrize("has_images", [True, False])
def test_the_memory_outlives_a_backup_of_a_home_that_nights_may_only_read(world, has_images, tmp_path_factory):
    """As in the stack: after a restore without its images, a night stops as long as none are there."""
    world.fill(2)
    (world.home.root / "places").write_text("no folder")
    world.night()
    (world.home.root / "places").unlink()
    backup = tmp_path_factory.mktemp("backup")
    copy_early(world.home.root, backup)
    for name in ("captions", "captions_current"):
        shutil.copytree(world.home.store / name, backup / "store" / name)
    if has_images:
        shutil.copytree(world.home.inbox, backup / "inbox")
    shutil.rmtree(world.home.root)
    add_folder(backup, world.home.root, every_file(backup))
    if has_images:
        assert world.night("n2", load=unexpected).counts.unchanged == 2
    else:
        assert stops(lambda: world.night("n2", load=unexpected), f"input {world.home.inbox} holds no image", "2 images")


def test_a_damaged_memory_is_none(world, caplog):
    world.fill(2)
    world.night()
    for folder in Places.of(world.home).folders:
        for path in folder.iterdir():
            assert set(json.loads(path.read_text())) == {"kind", "uri", "count", "when", "mounts"}
            path.write_bytes(b"")
    assert world.night("n2", load=unexpected).counts.unchanged == 2
    assert "is damaged and left out" in caplog.text
