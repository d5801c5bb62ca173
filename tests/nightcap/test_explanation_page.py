"""The page of an explanation."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from nightcap.explanation_page import ExplainedImage, _heat, render_explanation
from pipeline.model.explanation import Explanation
from pipeline.model.interface import Caption
from tests.serving.night_world import ColourCaptioner


def opened(uri):
    return Image.open(io.BytesIO(base64.b64decode(uri.partition("base64,")[2])))


@pytest.fixture
def explained():
    maps = np.zeros((2, 7, 7), np.float32)
    maps[0, 3, 3] = 0.5
    explanation = Explanation(("a", "<dog>"), np.log([0.9, 0.004]).astype(np.float32), maps, maps * 2)
    return ExplainedImage(
        "x & y.jpg",
        Image.new("RGB", (300, 220)),
        np.zeros((16, 16, 3), np.uint8),
        Caption("a <dog>", -0.2),
        explanation,
    )


def test_names_and_words_are_text(explained):
    page = render_explanation(explained, ColourCaptioner())
    assert "x &amp; y.jpg" in page
    assert "&lt;dog&gt;" in page
    assert "<dog>" not in page
    assert "captioner version 3" in page
    assert "90%" in page
    assert "under 1%" in page


@pytest.mark.parametrize(("fit", "ratio"), [("squash", "300 / 220"), ("crop", "aspect-ratio: 1;")])
def test_only_a_squashed_image_is_stretched_back(explained, fit, ratio):
    assert ratio in render_explanation(explained, ColourCaptioner(fit=fit))


def test_heat_is_warm_above_zero_blue_below_and_clear_at_it():
    red, _, blue, opacity = np.moveaxis(np.asarray(opened(_heat(np.array([[2.0, -1.0, 0.0]], np.float32), 1.0))), 2, 0)
    assert red[0, 0] > blue[0, 0]
    assert red[0, 1] < blue[0, 1]
    assert opacity[0, 0] > opacity[0, 1] > opacity[0, 2] == 0


def test_a_nearly_level_map_looks_level():
    faint = np.asarray(opened(_heat(np.full((7, 7), 0.02, np.float32), 0.25)))[..., 3]
    assert faint.max() < 30
