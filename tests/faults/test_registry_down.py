"""Scenario 12: MLflow is down when a night begins."""

import time
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.core.environment import Home
from pipeline.core.errors import RegistryUnavailable
from pipeline.model.bundle import VOCABULARY
from pipeline.registry.versions import CHAMPION, Registry
from serving.night import run_night
from serving.planning.model_choice import pin_for_night
from tests.faults.registered_bundle import CHAMPION_URI, loader, register_champion
from tests.serving.night_world import World, settings_of

DOWN = "http://127.0.0.1:1"
LAST_KNOWN = settings_of(model=CHAMPION_URI, registry_down="last_known")


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    root = tmp_path_factory.mktemp("registry")
    home = Home(root, root / "store", f"sqlite:///{root / 'mlflow.db'}")
    register_champion(home)
    return home


@pytest.fixture
def world(registry, tmp_path):
    """Surroundings of its own beside that registry; the first version is the champion."""
    world = World(replace(registry, root=tmp_path, store=tmp_path / "store", journal=registry.promotions))
    world.fill(2)
    return world


def night(world, name, home, settings=LAST_KNOWN):
    return run_night(settings, home, pin_for_night(settings, home), loader(home), world.attempt(name))


def without_registry(world):
    return replace(world.home, tracking_uri=DOWN)


def written(home):
    return {path: path.lstat().st_mtime_ns for path in home.store.rglob("*")}


def refused(world, settings=LAST_KNOWN):
    """What is said; nothing may be written, and nobody may wait long."""
    before, started = written(world.home), time.monotonic()
    with pytest.raises(RegistryUnavailable, match="does not answer") as caught:
        night(world, "n2", without_registry(world), settings)
    assert written(world.home) == before
    assert time.monotonic() - started < 15
    return str(caught.value)


def test_12_without_the_registry_a_night_fails_before_any_write(world):
    night(world, "n1", world.home)
    world.fill(1, start=5)
    assert "registry_down is fail" in refused(world, settings_of(model=CHAMPION_URI))


def test_12_by_the_policy_the_last_known_version_captions(world, caplog):
    night(world, "n1", world.home)
    world.fill(1, start=5)
    summary = night(world, "n2", without_registry(world))
    assert (summary.captioned, summary.model.version) == (1, "1")
    assert "the night is planned with version 1, the last known one" in caplog.text
    assert {row["model_version"] for row in world.rows()} == {"1"}


def test_12_a_version_nobody_planned_with_is_not_known(world):
    assert "no version is known" in refused(world)


def test_12_an_altered_copy_is_refused(world):
    night(world, "n1", world.home)
    [copy] = (world.home.root / "cache" / "models").iterdir()
    words = copy / VOCABULARY
    words.write_bytes(words.read_bytes().replace(b"dog", b"cat"))
    assert f"{VOCABULARY} was altered" in refused(world)


def test_12_a_version_whose_files_are_not_here_is_refused(world):
    settings = settings_of(model=CHAMPION_URI, registry_down="last_known")
    Path(world.home.inbox / "000.jpg").unlink()
    Path(world.home.inbox / "001.jpg").unlink()
    night(world, "n1", world.home)  # nothing new, so no model was fetched
    world.fill(1)
    assert "is not on this machine" in refused(world, settings)


def test_12_a_version_from_before_a_promotion_is_not_known(world):
    night(world, "n1", world.home)
    Registry(world.home).set_alias("captioner", CHAMPION, "1")
    assert "no version is known" in refused(world)


def test_12_a_registry_that_fails_during_a_night_does_not_matter_to_who_has_the_files(world):
    night(world, "n1", world.home)
    world.fill(1, start=5)
    pinned, later = pin_for_night(LAST_KNOWN, world.home), without_registry(world)
    assert run_night(LAST_KNOWN, later, pinned, loader(later), world.attempt("n2")).captioned == 1
