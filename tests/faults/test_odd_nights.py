"""22: files that are whole, with nothing in them, and captions that are well formed and all the same."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from pipeline.core.errors import NightHeld
from pipeline.model.reference_profile import Distribution
from tests.serving.night_world import ColourCaptioner, image, unexpected


@pytest.mark.parametrize("unusable", ["withhold", "quarantine"])
def test_22_a_night_of_black_images_is_held_back(world, unusable):
    """A camera with its cap on: files as good as any, and nothing to say of them."""
    for number in range(60):
        world.put(f"{number:03d}.png", image((0, 0, number % 8), (64, 64), "PNG"))
    world.fill(1)
    with pytest.raises(NightHeld, match=r"61 of 61 .*unusable 61"):
        world.night(unusable=unusable)
    assert not world.home.captions.exists()
    summary = world.night(load=unexpected, unusable=unusable, accept_quarantine=True)
    assert (summary.captioned, summary.quarantined) == (0, 61)
    assert {row["caption"] is None for row in world.rows()} == {unusable == "quarantine"}


@dataclass
class Collapsed(ColourCaptioner):
    """Says one thing of some images, as long and as sure as usual."""

    reference: Mapping[str, Distribution] = field(default_factory=dict)
    repeats: int = 0

    def caption(self, pixels):
        told = super().caption(pixels)
        return [replace(each, text="an image of 9 9 9") for each in told[: self.repeats]] + told[self.repeats :]


@pytest.mark.parametrize(
    ("usual", "repeats", "is_held"), [(0.02, 40, True), (0.02, 20, True), (0.02, 9, False), (0.5, 20, False)]
)
def test_22_a_model_that_says_one_thing_of_every_image(world, usual, repeats, is_held):
    world.fill(40)
    top = round(500 * usual)
    reference = {
        "words": Distribution.of(np.full(500, 6.0)),
        "top_caption": Distribution.of_top(["a dog"] * top + [f"dog {n}" for n in range(500 - top)]),
    }
    world.captioner = Collapsed(reference=reference, repeats=repeats)
    if is_held:
        words = (
            rf"unlike what .*\(top_caption {repeats / 40 - usual:.2f} above .*; max_top_caption_rise=0.25 beyond chance"
        )
        with pytest.raises(NightHeld, match=words):
            world.night()
        assert world.night(load=unexpected, accept_drift=True).captioned == 40
    else:
        assert world.night().captioned == 40
