"""Removing images from the files of nights."""

import shutil
from pathlib import Path

from pipeline.storage.files import sha256
from pipeline.storage.tables import CaptionTable
from serving.runs.plan_file import Plan
from serving.upkeep.forget import digests_of, strip_nights, strip_outputs


def test_digests_are_those_of_all_bytes_an_image_has_had(world):
    (path,) = world.fill(1)
    world.night()
    before = sha256(Path(path).read_bytes())
    world.put("000.jpg", b"<html>")
    world.night("n2")
    table = CaptionTable(world.home.captions)
    assert digests_of(table, [path]) == {before, sha256(b"<html>")}
    assert digests_of(table, ["/in/other.jpg"]) == frozenset()


def test_a_published_night_loses_its_gallery_and_lines(world):
    out = world.home.root / "out"
    paths = world.fill(2)
    world.night(output=str(out), write_sidecars=True)
    plan = Plan.read(world.folder() / "plan" / "plan.json")
    assert strip_nights(world.home.store, ["/in/other.jpg"]) == []
    assert strip_nights(world.home.store, paths[:1]) == [plan.path]
    assert [info.uri for info in plan.images(0)] == paths[1:]
    assert not plan.gallery.exists()
    assert [path.name for path in out.iterdir()] == ["001.jpg.txt"]


def test_an_unpublished_run_is_removed(world, caplog):
    paths = world.fill(2)
    world.captioned()
    assert strip_nights(world.home.store, paths[:1]) == []
    assert not world.folder().exists()
    assert "it has an image to forget and is unpublished" in caplog.text


def test_scratch_with_the_image_and_parts_without_a_plan_go(world):
    paths = world.fill(1)
    made = Plan.read(world.captioned())
    scratch, late = made.folder / ".plan.dead", world.folder("n2") / "parts"
    shutil.copytree(made.path.parent, scratch)
    late.mkdir(parents=True)
    (world.folder("n3")).mkdir(parents=True)
    strip_nights(world.home.store, ["/in/other.jpg"])
    assert (scratch.exists(), late.parent.exists(), world.folder("n3").exists()) == (True, False, True)
    strip_nights(world.home.store, paths)
    assert not scratch.exists()


def test_outputs_of_a_night_whose_files_are_gone(world):
    out = world.home.root / "out"
    paths = world.fill(2)
    world.night(output=str(out), write_sidecars=True)
    assert strip_outputs(world.home.store, paths[:1]) == [], "strip_nights does the nights that have their files"
    shutil.rmtree(world.folder())
    (plan,) = strip_outputs(world.home.store, paths[:1])
    assert (plan.night, plan.run) == ("n1", "r1")
    assert [path.name for path in out.iterdir()] == ["001.jpg.txt"]
