import pytest

from pipeline.sources.base import LabelledBox
from pipeline.sources.scenes.truth import named_pairs, truth_rate


@pytest.mark.parametrize(
    ("caption", "pairs"),
    [
        ("a red circle", [("red", "circle")]),
        ("A Red, striped CIRCLE.", [("red", "circle")]),
        ("a large dotted white heart above a blue small plain star", [("white", "heart"), ("blue", "star")]),
        ("two green crosses and red circles", [("green", "cross"), ("red", "circle")]),
        ("red circle red circle", [("red", "circle"), ("red", "circle")]),
        ("a red and blue star", [("blue", "star")]),
        ("a red blue star", [("blue", "star")]),
        ("a circle that is red", []),
        ("a red dog on a square", []),
        ("a redcircle", []),
        ("", []),
    ],
)
def test_named_pairs(caption, pairs):
    assert named_pairs(caption) == pairs


def box(label):
    return LabelledBox(label, 0, 0, 1, 1)


def test_truth_rate_counts_pairs_over_all_captions():
    captions = {"a": "a red circle and a blue star", "b": "a white heart", "c": "some shapes"}
    objects = {"a": [box("red circle")], "b": [box("white heart"), box("pink star")], "c": [box("red star")]}
    assert truth_rate(captions, objects) == {
        "pair_precision": pytest.approx(2 / 3),
        "pair_recall": pytest.approx(2 / 4),
        "captions_naming_a_pair": pytest.approx(2 / 3),
    }


def test_a_repeated_lie_counts_each_time():
    rates = truth_rate({"a": "a red circle, a red circle and a blue star"}, {"a": [box("blue star")]})
    assert rates["pair_precision"] == pytest.approx(1 / 3)


def test_truth_rate_of_nothing_is_zero():
    assert set(truth_rate({}, {}).values()) == {0.0}
