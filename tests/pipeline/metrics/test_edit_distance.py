"""How many words two captions differ by."""

import pytest

from pipeline.metrics.edit_distance import edit_distance


@pytest.mark.parametrize(
    ("first", "second", "distance"),
    [
        ("", "", 0),
        ("", "a dog runs", 3),
        ("A dog runs.", "a dog runs", 0),
        ("a dog runs", "a cat runs", 1),
        ("a dog runs", "a brown dog runs", 1),
        ("a dog runs on grass", "dog runs on the grass fast", 3),
        ("one two three", "three two one", 2),
    ],
)
def test_the_fewest_changes_count_in_both_directions(first, second, distance):
    assert edit_distance(first, second) == edit_distance(second, first) == distance
