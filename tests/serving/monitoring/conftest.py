"""A home whose services listen on loopback, and a night with statistics."""

from dataclasses import replace

import numpy as np
import pytest

from pipeline.model.interface import Caption
from pipeline.model.reference_profile import Distribution
from pipeline.storage.files import read_json
from serving.monitoring.statistics import NightStatistics
from serving.runs.plan_file import Plan
from tests.faults.listening import listening
from tests.serving.night_world import ColourCaptioner

SAME = "the same <b>image</b> as ever"


class CaptionerWithReference(ColourCaptioner):
    """Gives every second image the same caption, and has a reference of the images' brightness."""

    reference = {  # noqa: RUF012
        "level": Distribution.of(np.arange(0.0, 256.0)),
        "words": Distribution.of(np.full(40, 6.0)),
        "zeros": Distribution.of(np.arange(9.0)),
    }

    def caption(self, pixels):
        captions = zip(super().caption(pixels), pixels, strict=True)
        return [
            Caption(
                each.text if place % 2 else SAME, each.score, (), 0.5, image_statistics={"level": float(image.mean())}
            )
            for place, (each, image) in enumerate(captions)
        ]


@pytest.fixture
def compared(world):
    """A world of 24 images and a broken one, whose captioner has a reference."""
    world.captioner = CaptionerWithReference()
    world.fill(24)
    world.put("bad.jpg", b"")
    return world


@pytest.fixture
def statistics_of_night():
    """Reads the statistics of a world's night `n1`."""
    return lambda world: NightStatistics.model_validate(read_json(world.folder() / "watch.json"))


@pytest.fixture
def plan_of_night():
    """Reads the plan of a world's night `n1`."""
    return lambda world: Plan.read(world.folder() / "plan" / "plan.json")


@pytest.fixture
def listener():
    """A web server on loopback that stands for the Pushgateway and the webhook."""
    with listening() as server:
        yield server


@pytest.fixture
def connected(world, listener):
    """A world whose home names the listener."""
    address = f"http://127.0.0.1:{listener.server_port}"
    world.home = replace(world.home, pushgateway=address, webhook=f"{address}/hook/hunter2-canary")
    return world
