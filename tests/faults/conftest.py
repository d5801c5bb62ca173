"""A night's surroundings in a temporary folder."""

import pytest

from pipeline.home import Home
from tests.serving.night_world import World


@pytest.fixture
def world(tmp_path):
    return World(Home(tmp_path, tmp_path / "store", f"sqlite:///{tmp_path / 'mlflow.db'}"))
