"""What a home remembers of its inputs and tables."""

import json
import shutil

import pytest

from pipeline.core.errors import ObjectUnavailable
from pipeline.storage.tables import CaptionTable
from serving.runs.places import Places


def test_a_place_that_was_full_is_missed_until_a_person_accepts_that(world):
    places = Places.of(world.home)
    places.require("input", "/photos", "holds no image", accepted=False)  # nothing is known of it
    places.accept_empty("input", "/photos")
    places.remember("input", "/photos", 0)
    assert places.find("input", "/photos") is None
    places.remember("input", "/photos", 1234)
    with pytest.raises(
        ObjectUnavailable, match=r"input /photos holds no image; on 2\S+ at \S+ UTC it held 1,234 images"
    ):
        places.require("input", "/photos", "holds no image", accepted=False)
    places.require("table", "/photos", "is not there", accepted=False)
    places.require("input", "/photos", "holds no image", accepted=True)
    assert places.find("input", "/photos").count == 1234  # until what a person accepted it for has succeeded
    places.accept_empty("input", "/photos")
    assert places.find("input", "/photos") is None


def test_a_part_of_a_place_tells_its_size_only_if_nothing_else_does(world):
    places = Places.of(world.home)
    for count, if_unknown in ((5, True), (9, False), (2, True)):
        places.remember("input", "/photos", count, if_unknown)
    assert places.find("input", "/photos").count == 9


def test_the_home_knows_what_its_store_has_lost(world):
    Places.of(world.home).remember("table", "/captions", 7)
    assert Places.in_store(world.home.store).find("table", "/captions").count == 7
    shutil.rmtree(world.home.store)
    assert Places.in_store(world.home.store).find("table", "/captions") is None
    assert Places.of(world.home).find("table", "/captions").count == 7


def test_a_home_that_nights_may_only_read_does_not_stop_them(world):
    world.home.root.mkdir(exist_ok=True)
    (world.home.root / "places").write_text("no folder")
    Places.of(world.home).remember("table", "/captions", 7)
    assert Places.of(world.home).find("table", "/captions").count == 7


def test_a_damaged_file_is_left_out(world, caplog):
    Places.of(world.home).remember("table", "/captions", 7)
    (file,) = (world.home.store / "nights/.places").iterdir()
    for content in ("", "[]", json.dumps({"kind": "table"})):
        file.write_text(content)
        assert Places.in_store(world.home.store).find("table", "/captions") is None
        assert Places.of(world.home).find("table", "/captions").count == 7
    assert caplog.text.count("is damaged and left out") == 6


def test_a_table_that_nobody_remembers_may_be_missing(world):
    table = CaptionTable(world.home.captions)
    assert Places.of(world.home).require_table(table) is table


def test_disks_in_an_input_are_noted_as_news_and_a_note_of_an_earlier_version_has_none(world):
    places = Places.of(world.home)
    places.remember("input", "/photos", 9)
    for file in (folder / next(folder.iterdir()).name for folder in places.folders):
        file.write_text(
            json.dumps({key: value for key, value in json.loads(file.read_text()).items() if key != "mounts"})
        )
    assert places.find("input", "/photos").mounts == ()
    places.remember("input", "/photos", 2, if_unknown=True, mounts=("2026",))
    assert (places.find("input", "/photos").count, places.find("input", "/photos").mounts) == (9, ("2026",))
    places.remember("input", "/photos", 9)
    assert places.find("input", "/photos").mounts == ()
