"""A stream of images to lines."""

import json

import pytest
from PIL import Image

from nightcap.captioning import Line, caption_images
from nightcap.images import NamedImages
from pipeline.imaging.decode import ImageLimits
from pipeline.model.interface import Caption
from tests.serving.night_world import ColourCaptioner


@pytest.fixture
def folder(tmp_path):
    """Seventy images of one colour each, every tenth of which is broken."""
    for number in range(70):
        path = tmp_path / f"{number:02d}.png"
        Image.new("RGB", (40, 30), (number, 0, 0)).save(path)
        if number % 10 == 9:
            path.write_bytes(path.read_bytes()[:40])
    return tmp_path


def test_lines_come_in_order_and_a_bad_image_stops_nothing(folder):
    captioner = ColourCaptioner()
    lines = list(caption_images(captioner, NamedImages([str(folder)]), ImageLimits()))
    assert [line.image for line in lines] == [f"{folder}/{number:02d}.png" for number in range(70)]
    for number, line in enumerate(lines):
        if number % 10 == 9:
            assert (line.caption, line.reason) == (None, "truncated")
        else:
            assert (line.caption.text, line.reason) == (f"an image of {number} 0 0", None)
            assert "blank" in line.flags
    assert captioner.calls == [58, 5]


def test_images_are_read_only_as_their_lines_are_wanted(folder):
    lines = caption_images(captioner := ColourCaptioner(), NamedImages([str(folder)]), ImageLimits())
    next(lines)
    assert captioner.calls == [58]


def test_a_caption_with_a_reason_is_quarantined(folder):
    class Failing(ColourCaptioner):
        def caption(self, pixels):
            return [Caption("", None, (), reason="captioner_failed") for _ in pixels]

    [line] = caption_images(Failing(), NamedImages([str(folder / "00.png")]), ImageLimits())
    assert line.as_json()["status"] == "quarantined"
    assert (line.caption, line.reason) == (None, "captioner_failed")


def test_a_line_is_json_of_few_digits():
    line = Line("a.jpg", Caption("a dog", -0.123456789, (), confidence=0.5), None, ("dark",)).as_json()
    assert json.loads(json.dumps(line)) == {
        "image": "a.jpg",
        "status": "captioned",
        "caption": "a dog",
        "score": -0.123457,
        "confidence": 0.5,
        "reason": None,
        "flags": ["dark"],
    }
