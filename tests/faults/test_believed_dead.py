"""Attempts that are killed or stopped while they caption or publish, and go on when another has done their work."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from deltalake import DeltaTable

from pipeline.storage.tables import CaptionTable
from serving.caption_shard import caption_shard
from serving.planning.plan import plan
from serving.publish import publish
from tests.serving.night_world import PINNED, ColourCaptioner, settings_of

DYING = """
import os, signal, sys
from pipeline.storage.tables import commits
from serving.publish import publish
place, path = sys.argv[1:]
work = getattr(commits, place)
def die(*arguments):
    work(*arguments)
    os.kill(os.getpid(), signal.SIGKILL)
setattr(commits, place, die)
publish(path)
"""


@pytest.mark.parametrize(("place", "committed"), [("_write", 0), ("_stage", 0), ("_add_to_log", 1)])
def test_1_killed_at_a_boundary_of_publishing(world, place, committed):
    """After a file was written, after all were, after the commit: the same run again publishes it once."""
    paths = world.fill(4)
    path = world.captioned()
    dying = subprocess.run([sys.executable, "-c", DYING, place, path], check=False, timeout=600, cwd=Path.cwd())
    assert dying.returncode == -signal.SIGKILL
    assert CaptionTable(world.home.captions).version() == committed
    assert publish(path)["already_published"] == bool(committed)
    assert world.images() == paths
    assert len(list(world.home.captions.glob("*.parquet"))) == 1


def test_15_an_attempt_believed_dead_cannot_publish(world):
    """It was stopped before its commit, the retry published, and now it goes on."""
    paths = world.fill(4)
    path = world.captioned()
    zombie = subprocess.Popen([sys.executable, "-c", STOPPING, path], stdout=subprocess.PIPE, text=True, cwd=Path.cwd())
    try:
        while psutil.Process(zombie.pid).status() != psutil.STATUS_STOPPED:
            time.sleep(0.02)
        assert publish(path)["already_published"] is False
        zombie.send_signal(signal.SIGCONT)
        assert zombie.communicate(timeout=600)[0] == "already published\n"
    finally:
        zombie.kill()
    assert world.images() == paths
    assert sum(each["operation"] == "WRITE" for each in DeltaTable(str(world.home.captions)).history()) == 1
    assert len(list(world.home.captions.glob("*.parquet"))) == 1


STOPPING = """
import os, signal, sys
from pipeline.storage.tables import commits
from serving.publish import publish
add_to_log = commits._add_to_log
def stop(*arguments):
    os.kill(os.getpid(), signal.SIGSTOP)
    return add_to_log(*arguments)
commits._add_to_log = stop
print("already published" if publish(sys.argv[1])["already_published"] else "published")
"""


@pytest.mark.parametrize("captions", [1, 2])
def test_15_a_shard_believed_dead_leaves_nothing(world, captions):
    """While it captions its first or second part, the retry does all of the shard and publishes."""
    paths = world.fill(4)
    path = plan(settings_of(part_size=2), world.home, PINNED, world.attempt())["plan"]

    def overtake():
        caption_shard(path, 0, world.load)
        publish(path)

    counts = caption_shard(path, 0, lambda _: Interrupted(captions, overtake))
    assert (counts["captioned"], counts["left"]) == (4, 0)
    assert not (world.folder() / "parts").exists()
    assert publish(path)["captioned"] == 4
    assert world.images() == paths


class Interrupted(ColourCaptioner):
    """Lets something happen while it captions for the n-th time."""

    def __init__(self, turn, happen):
        super().__init__()
        self.turn, self.happen = turn, happen

    def caption(self, pixels):
        captions = super().caption(pixels)
        if len(self.calls) == self.turn:
            self.happen()
        return captions
