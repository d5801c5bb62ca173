"""A night's surroundings in a temporary folder."""

import pytest

from tests.serving.night_world import World


@pytest.fixture
def world(tmp_path):
    return World.within(tmp_path)
