import random
from itertools import pairwise
from statistics import fmean, stdev

import pytest

from pipeline.evaluation.slices import label_of, slice_scores, slices_of
from pipeline.storage.tables.corrections import CORRECTED

TRAINING = [["a", "man", "on", "grass"]] * 10 + [["rare"]] * 9


def test_people_are_sliced_into_none_one_and_more():
    references = {
        "none": ["grass", "a dog", "a man"],
        "half": ["a man", "grass"],
        "one": ["a man's hat", "a child"],
        "two": ["a man and a woman", "a man , a girl and a boy", "a couple"],
        "crowd": ["a man , a boy and a girl"],
    }
    scores = {image: float(place) for place, image in enumerate(references)}
    slices = slice_scores(scores, references, TRAINING)["people"]
    assert [(row["from"], row["to"], row["count"]) for row in slices] == [
        (pytest.approx(1 / 3), pytest.approx(1 / 3), 1),
        (0.5, 1.0, 2),
        (pytest.approx(5 / 3), 3.0, 2),
    ]
    assert [row["mean"] for row in slices] == [0.0, 1.5, 3.5]
    assert [row["standard_error"] for row in slices] == [None, pytest.approx(0.5), pytest.approx(0.5)]


def test_length_is_sliced_into_thirds():
    shuffled = random.Random(1).sample(range(1, 31), 30)
    references = {str(words): [" ".join(["word"] * words)] for words in shuffled}
    scores = {image: 1 / int(image) for image in references}
    slices = slice_scores(scores, references, TRAINING)["length"]
    assert [(row["from"], row["to"], row["count"]) for row in slices] == [(1, 10, 10), (11, 20, 10), (21, 30, 10)]
    for row in slices:
        inside = [1 / words for words in range(int(row["from"]), int(row["to"]) + 1)]
        assert row["mean"] == pytest.approx(fmean(inside))
        assert row["standard_error"] == pytest.approx(stdev(inside) / 10**0.5)


def test_words_are_rare_below_ten_times_in_training():
    references = {
        "a": ["a man on grass"],
        "b": ["rare grass"],
        "c": ["rare unseen grass", "grass", "never"],
    }
    slices = slice_scores(dict.fromkeys(references, 1.0), references, TRAINING)["rare_words"]
    assert [(row["from"], row["to"], row["count"]) for row in slices] == [(0, 0, 1), (1, 1, 2)]


def test_equal_values_stay_together_and_empty_slices_are_left_out():
    references = {str(place): ["one two"] for place in range(6)}
    slices = slice_scores(dict.fromkeys(references, 0.5), references, TRAINING)
    assert [row["count"] for row in slices["length"]] == [6]
    assert [row["count"] for row in slices["people"]] == [6]


def test_every_image_is_in_one_slice_of_each_kind():
    chance = random.Random(2)
    references = {
        str(place): [" ".join(chance.choices(["man", "rare", "grass", "on"], k=chance.randint(1, 9))) for _ in range(3)]
        for place in range(50)
    }
    scores = {image: chance.random() for image in references}
    for rows in slice_scores(scores, references, TRAINING).values():
        assert sum(row["count"] for row in rows) == 50
        assert sum(row["count"] * row["mean"] for row in rows) == pytest.approx(sum(scores.values()))
        assert all(low["to"] < high["from"] for low, high in pairwise(rows))


def test_corrected_images_are_a_slice_beside_the_others():
    references = {"1.jpg": ["a dog"], f"{CORRECTED}/in/1.jpg": ["a man"], f"{CORRECTED}/in/2.jpg": ["a man on grass"]}
    rows = slice_scores(dict(zip(references, (0.2, 0.4, 0.8), strict=True)), references, TRAINING)["corrected"]
    assert [(row["from"], row["to"], row["count"]) for row in rows] == [(0, 0, 1), (1, 1, 2)]
    assert [row["mean"] for row in rows] == [0.2, pytest.approx(0.6)]
    slices = slices_of(references, TRAINING)
    assert [label_of("corrected", part) for part in slices["corrected"]] == ["not corrected", "corrected by people"]
    assert label_of("length", slices["length"][0]) == "length 2 to 2"


def test_where_nobody_corrected_there_is_no_such_slice():
    assert slices_of({"1.jpg": ["a dog"], "2.jpg": ["a corrected: dog"]}, TRAINING).keys() == {
        "length",
        "people",
        "rare_words",
    }
