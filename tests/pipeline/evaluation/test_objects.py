import pytest

from pipeline.data.sources.base import LabelledBox
from pipeline.evaluation.objects import coco_chair, scenes_chair


def box(label):
    return LabelledBox(label, 0, 0, 1, 1)


def test_scenes_are_scored_by_all_their_objects():
    captions = {"a": "a red circle and a blue star", "b": "a large dotted white heart", "c": "some shapes"}
    boxes = {"a": [box("red circle")], "b": [box("white heart"), box("pink star")], "c": [box("red star")]}
    assert scenes_chair(captions, boxes) == pytest.approx(
        {"chair_i": 1 / 3, "chair_s": 1 / 3, "recall": 2 / 4, "naming": 2 / 3}
    )


def test_what_a_reference_names_is_in_coco_s_image_too():
    captions = {"a": "a dog chasing a cat beside a car", "b": "a hot dog"}
    boxes = {"a": [box("dog")], "b": []}
    references = {"a": ["a puppy", "a kitten on grass"], "b": ["lunch"]}
    assert coco_chair(captions, boxes, references) == pytest.approx(
        {"chair_i": 2 / 4, "chair_s": 1, "recall": 1, "naming": 1}
    )
