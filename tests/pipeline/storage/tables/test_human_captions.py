"""People's captions as rows."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from deltalake import DeltaTable

from pipeline.storage.tables import IMAGE, CaptionTable
from pipeline.storage.tables.corrections import Correction
from pipeline.storage.tables.human_captions import add_human_captions, withdraw_human_captions
from tests.pipeline.storage.tables.table_rows import current, row, rows

FIRST = Correction("a", "a red dog", "ann", datetime(2025, 3, 1, tzinfo=UTC))
SECOND = replace(FIRST, caption="a blue dog", corrected_at=datetime(2025, 3, 2, tzinfo=UTC))
BOBS = replace(FIRST, caption="a dog", who="bob", corrected_at=datetime(2025, 3, 3, tzinfo=UTC))


@pytest.fixture
def table(tmp_path):
    table = CaptionTable(tmp_path / "captions")
    table.append(rows(row("a", sha256="f00", width=3, height=2), row("b")), 0)
    table.write_current()
    return table


def test_a_persons_caption_is_current_at_once_and_says_whose_and_which_file(table):
    assert add_human_captions(table, [FIRST]) == {"a"}
    assert current(table) == {"a": "a red dog", "b": "an image of b"}
    [found] = (each for each in DeltaTable(table.current_uri).to_pyarrow_table().to_pylist() if each["image"] == "a")
    said = ("source", "who", "captioned_at", "sha256", "width", "etag", "model_name", "sequence")
    assert [found[name] for name in said] == ["human", "ann", FIRST.corrected_at, "f00", 3, "e1", None, 2]


def test_the_same_words_are_added_once_and_no_night_replaces_them(table):
    assert [add_human_captions(table, [FIRST]) for _ in range(2)] == [{"a"}, set()]
    table.append(rows(row("a", etag="e2", caption="a cat")), table.version(), IMAGE)
    table.write_current()
    assert current(table)["a"] == "a red dog"


def test_the_newest_of_a_person_counts_also_where_it_says_the_first_again(table):
    again = replace(FIRST, corrected_at=datetime(2025, 3, 4, tzinfo=UTC))
    for each in (FIRST, SECOND, again):
        assert add_human_captions(table, [each]) == {"a"}
    assert current(table)["a"] == "a red dog"
    assert withdraw_human_captions(table, [again]) == 1
    assert current(table)["a"] == "a blue dog"


def test_each_caption_that_is_taken_back_leaves_the_one_before(table):
    add_human_captions(table, [FIRST, BOBS])
    assert current(table)["a"] == "a dog"
    assert withdraw_human_captions(table, [BOBS]) == 1
    assert current(table)["a"] == "a red dog"
    assert withdraw_human_captions(table, [FIRST]) == 1
    assert current(table)["a"] == "an image of a"
    assert withdraw_human_captions(table, [FIRST]) == 0
    assert add_human_captions(table, [FIRST]) == {"a"}
    assert current(table)["a"] == "a red dog"


def test_an_image_that_no_night_has_seen_has_its_caption_and_a_night_to_come(table):
    add_human_captions(table, [replace(FIRST, image="c")])
    assert current(table)["c"] == "a red dog"
    assert ("c", "e1") not in {tuple(key.values()) for batch in table.processed() for key in batch.to_pylist()}
