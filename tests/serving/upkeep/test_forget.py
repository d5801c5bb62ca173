"""Removing images from the files of nights."""

import shutil
from pathlib import Path

from pipeline.storage.files import sha256
from pipeline.storage.forgotten import remember_to_forget
from pipeline.storage.tables import CaptionTable
from serving.runs.plan_file import Plan
from serving.upkeep.forget import digests_of, remove_unpublished, strip_nights, strip_outputs


def test_digests_are_those_of_all_bytes_an_image_has_had(world):
    (path,) = world.fill(1)
    world.night()
    before = sha256(Path(path).read_bytes())
    world.put("000.jpg", b"<html>")
    world.night("n2")
    table = CaptionTable(world.home.captions)
    assert digests_of(table, [path]) == {before, sha256(b"<html>")}
    assert digests_of(table, ["/in/other.jpg"]) == frozenset()


def forgotten(world, images):
    remember_to_forget(world.home.store, images)
    return images


def test_a_published_night_is_written_again_without_them(world):
    out = world.home.root / "out"
    paths = world.fill(2)
    world.night(output=str(out), write_sidecars=True)
    world.fill(1, start=50)
    world.night("n2")
    plan = Plan.read(world.folder() / "plan" / "plan.json")
    assert strip_nights(world.home.store, ["/in/other.jpg"]) == []
    assert strip_nights(world.home.store, forgotten(world, paths[:1])) == [plan]
    assert [info.uri for info in plan.listed()] == paths[1:]
    page = (plan.gallery / "index.html").read_text()
    assert ("000.jpg" in page, "001.jpg" in page, len(list((plan.gallery / "thumbnails").iterdir()))) == (
        False,
        True,
        1,
    )
    assert sorted(path.name for path in out.iterdir()) == ["001.jpg.txt", "captions-n1.jsonl"]
    assert "000.jpg" not in (out / "captions-n1.jsonl").read_text()
    assert (world.home.store / "nights" / "latest").readlink().parts == ("n2", "r1")


def test_an_unpublished_run_is_removed(world, caplog):
    paths = world.fill(2)
    world.captioned()
    remove_unpublished(world.home.store, paths[:1])
    assert not world.folder().exists()
    assert "has an image to forget or a damaged list" in caplog.text


def test_scratch_with_the_image_and_parts_without_a_plan_go(world):
    world.fill(1)
    made = Plan.read(world.captioned())
    scratch, late = made.folder / ".plan.dead", world.folder("n2") / "parts"
    shutil.copytree(made.path.parent, scratch)
    late.mkdir(parents=True)
    (world.folder("n3")).mkdir(parents=True)
    remove_unpublished(world.home.store, ["/in/other.jpg"])
    assert (scratch.exists(), late.parent.exists(), world.folder("n3").exists()) == (False, False, True)
    assert made.path.exists()


def test_a_list_that_is_cut_short_in_dead_scratch_stops_nothing(world):
    paths = world.fill(1)
    made = Plan.read(world.captioned())
    scratch = shutil.copytree(made.path.parent, made.folder / ".plan.dead")
    (scratch / "00000.jsonl").write_text('["000.jpg", "/in')
    remove_unpublished(world.home.store, paths)
    assert not made.folder.exists()


def test_outputs_of_a_night_whose_files_are_gone(world):
    out = world.home.root / "out"
    paths = world.fill(2)
    world.night(output=str(out), write_sidecars=True)
    assert strip_outputs(world.home.store, paths[:1]) == [], "strip_nights does the nights that have their files"
    shutil.rmtree(world.folder())
    (plan,) = strip_outputs(world.home.store, forgotten(world, paths[:1]))
    assert (plan.night, plan.run) == ("n1", "r1")
    assert sorted(path.name for path in out.iterdir()) == ["001.jpg.txt", "captions-n1.jsonl"]
