import numpy as np
import pytest

from nightcap.captioning import Line
from nightcap.doubts import Doubts
from pipeline.model.interface import Caption
from pipeline.model.reference_profile import Distribution

KNOWN = np.linspace(0.5, 1.5, 101)  # nine in ten above 0.6
REFERENCE = {"confidence": Distribution.of(KNOWN), "level": Distribution.of(np.linspace(-1, 1, 101))}


def told(*captions, reference=REFERENCE):
    doubts = Doubts(reference)
    for place, (confidence, level) in enumerate(captions):
        statistics = {"level": level}
        doubts.add(
            Line(f"{place}.jpg", Caption("a dog", -1.0, confidence=confidence, image_statistics=statistics), None)
        )
    doubts.add(Line("bad.jpg", None, "empty"))
    return list(doubts.told())


def test_images_unlike_every_image_of_the_reference_are_named():
    [line] = told((1.0, 0.0), (1.0, 5.0), (1.0, -7.0))
    assert line.startswith("2 of 3 images are unlike")
    assert line.endswith(": 1.jpg, 2.jpg")


def test_captions_that_are_less_sure_than_usual_are_named_in_points():
    [line] = told(*[(0.01, 0.0)] * 5, (1.0, 0.0))
    assert line.startswith("5 of 6 captions have a confidence below 60.1 ")
    assert line.endswith("0.jpg, 1.jpg, 2.jpg and 2 more")


@pytest.mark.parametrize(
    ("captions", "reference"),
    [
        ([(1.0, 0.0)] * 9 + [(0.2, 0.0)], REFERENCE),  # as of validation images
        ([(0.01, 99.0)], {}),
        ([(None, 0.0)], REFERENCE),  # of a captioner that gives none
        ([], REFERENCE),
    ],
)
def test_nothing_is_told_of_what_is_usual_or_unknown(captions, reference):
    assert told(*captions, reference=reference) == []
