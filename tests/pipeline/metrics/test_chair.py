import json

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from pipeline.metrics.chair import COCO_OBJECTS, Lexicon, chair, coco_lexicon


def named(caption):
    return ["|".join(sorted(mention)) for mention in coco_lexicon().mentions(caption)]


@pytest.mark.parametrize(
    ("caption", "objects"),
    [
        ("A man eats a hot dog", ["person", "hot dog"]),
        ("two hot-dogs and a dog", ["hot dog", "dog"]),
        ("a teddy bear and two bears", ["teddy bear", "bear"]),
        ("a couple of knives on the dining room table.", ["knife", "dining table"]),
        ("puppies , ponies , calves and geese", ["dog", "horse", "cow", "bird"]),
        ("a baby elephant and a mother bear", ["elephant", "bear"]),
        ("a bike by the bus stop", ["bicycle|motorcycle"]),
        ("a tennis player at a train station by the train tracks", ["person"]),
        ("two glasses of wine next to a wine bottle", ["wine glass", "bottle"]),
        ("a woman's purse", ["person", "handbag"]),
        ("skiers ski on skis", ["person", "skis"]),
        ("an orange cat beside sliced oranges", ["cat", "orange"]),
        ("the catcher's mitt", ["baseball glove"]),
        ("cat cat", ["cat", "cat"]),
        ("the theme is catalogue", []),
        ("", []),
    ],
)
def test_objects_in_captions_of_coco(caption, objects):
    assert named(caption) == objects


def test_the_lexicon_has_the_80_categories_by_name():
    lists = yaml.safe_load(COCO_OBJECTS.read_text(encoding="utf-8"))
    assert len(coco_lexicon().categories) == 80
    assert all(isinstance(phrase, str) for phrases in lists["categories"].values() for phrase in phrases)
    unnamed = {category for category in coco_lexicon().categories if named(f"the {category} here") != [category]}
    assert unnamed == {"orange"}  # a colour more often than a fruit


@given(st.data())
def test_the_longest_phrase_wins_wherever_it_stands(data):
    phrase, meaning = data.draw(st.sampled_from(sorted(coco_lexicon().meanings.items(), key=str)))
    if len(phrase) > 1:
        scores = coco_lexicon().mentions(f"nearby {' '.join(phrase)} nearby")
        assert scores == ([meaning] if meaning else [])


def test_references_of_real_photographs_agree_with_each_other(shared_data):
    entries = json.loads((shared_data / "data" / "coco_mini" / "captions.json").read_text())["annotations"]
    captions = {}
    for entry in entries:
        captions.setdefault(str(entry["image_id"]), []).append(entry["caption"])
    mentions = coco_lexicon().mentions
    others = {image: set().union(*(m for text in own[1:] for m in mentions(text))) for image, own in captions.items()}
    scores = chair({image: own[0] for image, own in captions.items()}, others, mentions)
    assert scores["naming"] > 0.85
    assert scores["chair_i"] < 0.1


COLOURS = Lexicon.of({"red": ["red", "crimson"], "blue": ["blue"]}, ["blue moon"])


def test_chair_counts_mentions_and_captions():
    captions = {"a": "red and crimson and blue", "b": "a blue moon", "c": "blue"}
    present = {"a": ["blue"], "b": ["red"], "c": {"blue", "red"}}
    assert chair(captions, present, COLOURS.mentions) == pytest.approx(
        {"chair_i": 2 / 4, "chair_s": 1 / 3, "recall": 2 / 4, "naming": 2 / 3}
    )


def test_a_word_of_two_meanings_is_true_if_either_is_there():
    lexicon = Lexicon.of({"bicycle": ["bike"], "motorcycle": ["bike"]})
    assert lexicon.mentions("two bikes") == [{"bicycle", "motorcycle"}]
    assert chair({"a": "a bike"}, {"a": ["motorcycle"]}, lexicon.mentions)["chair_i"] == 0
    assert chair({"a": "a bike"}, {"a": ["car"]}, lexicon.mentions)["chair_i"] == 1


def test_chair_of_nothing_is_zero():
    assert set(chair({}, {}, COLOURS.mentions).values()) == {0.0}
    assert set(chair({"a": ""}, {"a": []}, COLOURS.mentions).values()) == {0.0}
