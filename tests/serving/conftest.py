"""A night's surroundings in a temporary folder."""

import pytest
from night_world import World

from pipeline.home import Home


@pytest.fixture
def world(tmp_path):
    return World(Home(tmp_path, tmp_path / "store", f"sqlite:///{tmp_path / 'mlflow.db'}"))
