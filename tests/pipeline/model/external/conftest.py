"""A registry with a stranger's captioner that a person named."""

from dataclasses import replace

import pytest

from pipeline.core.environment import Home
from pipeline.registry.external import name_external
from tests.pipeline.model.external.strangers import LIMITS, log_model
from tests.serving.night_world import World


@pytest.fixture(scope="module")
def strangers(tmp_path_factory):
    """A registry with a captioner that a person named."""
    root = tmp_path_factory.mktemp("strangers")
    home = Home(root, root / "store", f"sqlite:///{root / 'mlflow.db'}", external=LIMITS)
    name_external(home, log_model(home, "stranger"), "ann")
    return home


@pytest.fixture
def stranger(strangers, tmp_path):
    """A night's surroundings where that registry is the registry."""
    return World(replace(strangers, root=tmp_path, store=tmp_path / "store", journal=strangers.promotions))


@pytest.fixture(autouse=True)
def scratch(tmp_path, monkeypatch):
    """Where the test's captioners have their homes, and those of other tests not."""
    (tmp_path / "scratch").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "scratch"))
    monkeypatch.setattr("tempfile.tempdir", None)
    return tmp_path / "scratch"
