"""Where nights caption only with what has once been promoted."""

from dataclasses import replace

import pytest

from pipeline.core.environment import Home
from pipeline.core.errors import SettingsError
from serving.planning.model_choice import load_for_night, pin_for_night
from tests.faults.registered_bundle import CHAMPION_URI, register, register_champion
from tests.serving.night_world import settings_of


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Version 1 was promoted; version 2 is registered, and its bundle lies about."""
    root = tmp_path_factory.mktemp("home")
    home = Home(root, root / "store", f"sqlite:///{root / 'mlflow.db'}", promoted_only=True)
    register_champion(home, ("dog",))
    register(home, ("dog", "cat"))
    return home


@pytest.mark.parametrize("model", [CHAMPION_URI, "models:/captioner/1"])
def test_what_was_promoted_captions(home, model):
    assert pin_for_night(settings_of(model=model), home).version == "1"


def test_what_was_not_does_not_whoever_asks(home):
    with pytest.raises(SettingsError, match="models:/captioner/2 has never been promoted"):
        pin_for_night(settings_of(model="models:/captioner/2"), home)
    bundle = home.root / "made" / "dog-cat" / "artifacts" / "bundle"
    with pytest.raises(SettingsError, match="has never been promoted"):
        pin_for_night(settings_of(model=str(bundle)), home)


def test_it_is_asked_again_when_a_night_loads(home):
    """The plan may be older than the switch, or of somebody else."""
    refused = pin_for_night(settings_of(model="models:/captioner/2"), replace(home, promoted_only=False))
    with pytest.raises(SettingsError, match="models:/captioner/2 has never been promoted"):
        load_for_night(home, refused)


def test_without_the_switch_a_person_chooses(home):
    assert pin_for_night(settings_of(model="models:/captioner/2"), replace(home, promoted_only=False)).version == "2"
