import pytest

from pipeline.evaluation.gender import gender_errors


@pytest.mark.parametrize(
    ("caption", "references", "error", "opposite"),
    [
        ("a man runs", ["a man", "a woman", "a man"], 0, 0),
        ("a man runs", ["a person", "a woman", "a woman", "a man"], 1, 1),
        ("a man runs", ["a boy", "a girl"], 0, 0),  # no majority
        ("a man runs", ["a person", "his dog"], 1, 0),
        ("a man runs", ["a man and a woman", "a woman"], 0, 0),
        ("a man and a woman", ["a man and a woman", "a couple"], 0, 0),
        ("a man and a woman", ["a man", "two men", "a man and a woman"], 1, 1),
        ("a lady", ["a guy", "a person"], 1, 1),
    ],
)
def test_a_caption_is_wrong_where_people_do_not_name_its_gender(caption, references, error, opposite):
    actual = gender_errors({"a": caption, "b": "a person"}, {"a": references, "b": ["a man"]})
    assert actual == {"naming": 1, "naming_share": 0.5, "error": error, "opposite": opposite}


def test_the_rate_is_of_the_captions_that_name_a_gender():
    captions = {"a": "a man", "b": "a woman", "c": "a dog with her ball", "d": "three girls"}
    references = {"a": ["a man"], "b": ["a man"], "c": ["a dog"], "d": ["three children"]}
    actual = gender_errors(captions, references)
    assert actual == pytest.approx({"naming": 3, "naming_share": 3 / 4, "error": 2 / 3, "opposite": 1 / 3})


def test_nothing_named_is_nothing_wrong():
    assert set(gender_errors({"a": "a dog"}, {"a": ["a man"]}).values()) == {0}
    assert set(gender_errors({}, {}).values()) == {0}
