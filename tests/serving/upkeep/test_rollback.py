"""Rolling back to an earlier version."""

import pytest

from pipeline.core.errors import SettingsError
from pipeline.registry.promotions import Promotions
from serving.upkeep.rollback import RollbackSettings, roll_back, rollback_settings
from tests.pipeline.registry.light_registry import NAME, add_versions, captioning


@pytest.fixture
def home(world):
    """Two versions, both promoted."""
    add_versions(world.home, "one", "two")
    for since, version in enumerate(("1", "2")):
        Promotions(world.home).promote(NAME, version, since, "somebody")
    return world.home


def test_the_version_before_is_champion_again(home):
    outcome = roll_back(home, RollbackSettings(model_name=NAME), "somebody")
    assert (outcome["version"], outcome["given_up"], outcome["nights"]) == ("1", "2", {})
    assert captioning(home) == "1"
    again = roll_back(home, RollbackSettings(model_name=NAME, version="1"), "somebody")
    assert (again["version"], again["entry"]) == ("1", None)


@pytest.mark.parametrize(("name", "value"), [("version", "two"), ("model_name", "../x"), ("why", "x" * 501)])
def test_a_wrong_setting_is_named(name, value):
    with pytest.raises(SettingsError, match=name):
        rollback_settings({name: value})
