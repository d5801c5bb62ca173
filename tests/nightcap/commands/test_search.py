"""`nightcap search`."""

import json

import pytest

from tests.serving.night_world import World


@pytest.fixture
def world(tmp_path, monkeypatch):
    world = World.within(tmp_path)
    monkeypatch.setenv("NIGHTCAP_HOME", str(world.home.root))
    monkeypatch.setenv("NIGHTCAP_STORE", str(world.home.store))
    return world


def test_images_are_found_by_words_and_phrases(run, world):
    paths = world.fill(3)
    world.night()
    captions = {row["image"]: row["caption"] for row in world.rows(current=True)}
    assert run("search", "image", "--limit", "2").out.count("\n") == 2
    assert run("search", f'"{captions[paths[1]]}"').out == f"{paths[1]}: {captions[paths[1]]}\n"
    (line,) = run("search", "001", "--json").out.splitlines()
    assert (json.loads(line)["image"], json.loads(line)["source"]) == (paths[1], "model")
    assert run("search", '""').refused(2, "no words to search for", "name some")
