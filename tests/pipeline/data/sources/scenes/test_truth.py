import pytest

from pipeline.data.sources.scenes.truth import named_pairs, scene_mentions


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


def test_mentions_say_which_words_they_are():
    words = ["a", "large", "dotted", "white", "heart", "above", "two", "blue", "stars"]
    found = scene_mentions(" ".join(words))
    assert [mention.label for mention in found] == ["white heart", "blue star"]
    assert [[words[place] for place in mention.places] for mention in found] == [["white", "heart"], ["blue", "stars"]]
