"""The next best captions of one search, recorded as many as asked for."""

from pipeline.model.interface import Caption
from tests.serving.night_world import ColourCaptioner


class Searching(ColourCaptioner):
    """Considers four captions an image, the model's own beam."""

    def caption(self, pixels):
        return [
            Caption(said.text, said.score, tuple(f"{said.text} {rank}" for rank in ("second", "third", "fourth")))
            for said in super().caption(pixels)
        ]


def recorded(world, **settings):
    captioner = Searching()
    world.fill(2)
    world.night(load=lambda pinned: captioner, **settings)
    assert captioner.calls == [2]  # one search, whatever is recorded of it
    return [(row["caption"], row["alternatives"]) for row in world.rows(current=True)]


def test_none_are_recorded_unless_asked_for(world):
    assert [others for _, others in recorded(world)] == [[], []]


def test_the_best_come_first_and_differ_from_the_caption(world):
    for caption, others in recorded(world, alternatives=2):
        assert others == [f"{caption} second", f"{caption} third"]


def test_no_more_than_were_considered(world):
    assert {len(others) for _, others in recorded(world, alternatives=20)} == {3}
