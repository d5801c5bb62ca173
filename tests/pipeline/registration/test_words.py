from collections import Counter

import pytest

from pipeline.registration.words import compare, published_words
from pipeline.table import CaptionTable
from pipeline.vocabulary import Vocabulary
from tests.pipeline import table_rows


def test_what_comes_goes_and_moves_is_counted():
    old, new = Vocabulary.of(["a", "dog", "cat", "runs"]), Vocabulary.of(["a", "dog", "runs", "bird"])
    found = compare(new, old, ["A dog runs", "a bird"], Counter({"cat": 3}))
    assert (found["size"], found["champion_size"]) == (8, 8)
    assert (found["added_words"], found["lost_words"]) == (["bird"], ["cat"])
    assert (found["added"], found["lost"], found["moved"], found["lost_published"]) == (1, 1, 1, 1)
    assert found["coverage"] == 1
    assert found["champion_coverage"] == pytest.approx(4 / 5)
    assert found["lost_published_words"] == [("cat", 3)]


def test_only_what_models_wrote_and_nobody_withdrew_is_published(tmp_path):
    table = CaptionTable(tmp_path / "captions")
    assert published_words(table, {"cat"}) == Counter()
    table.append(
        table_rows.rows(
            table_rows.row("1", caption="a cat and a cat"),
            table_rows.row("2", caption="a dog"),
            table_rows.row("3", caption="a cat", withdrawn=True),
            table_rows.row("4", caption="a cat", source="human"),
            table_rows.quarantined("5", "truncated"),
        ),
        0,
    )
    assert published_words(table, {"cat", "bird"}) == Counter({"cat": 2})
    assert published_words(table, {"dog", "a"}) == Counter({"a": 3, "dog": 1})
    assert published_words(table, set()) == Counter()
