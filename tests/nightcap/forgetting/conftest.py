"""Nights, outputs and a training that had the image which is to be forgotten."""

import pytest

from pipeline.storage.files import write_text
from pipeline.storage.trash import TRASH
from tests.nightcap.forgetting.forgetting import DATA, NAME, Knowing, training
from tests.serving.night_world import World


@pytest.fixture
def world(tmp_path):
    return World.within(tmp_path)


@pytest.fixture
def home(world, monkeypatch):
    """Nights that captioned the image twice, outputs, a training that had it, and a night under way."""
    monkeypatch.setenv("NIGHTCAP_HOME", str(world.home.root))
    world.captioner = Knowing()
    secret = world.put(NAME, DATA)
    world.fill(3)
    outputs = {"output": str(world.home.root / "out"), "write_csv": True, "write_sidecars": True, "alternatives": 2}
    world.night(**outputs)
    (world.home.inbox / NAME).write_bytes(DATA + b"\0")
    world.fill(1, start=50)
    world.night("n2", **outputs)
    training(world.home)
    write_text(world.home.root / "logs" / "night.log", f"before\n{secret} is quarantined\nafter\n")
    write_text(world.home.store / TRASH / "abc" / "list.txt", f"left by a clean-up that was killed: {secret}")
    (world.home.inbox / NAME).write_bytes(DATA + b"\0\0")
    return world, secret, world.captioned("n3")
