"""The index of current captions."""

import pytest

from pipeline.storage.tables import HUMAN, CaptionTable
from serving.app.caption_index import CaptionIndex, CaptionQuery
from tests.pipeline.storage.tables.table_rows import later, row, rows


@pytest.fixture
def table(tmp_path):
    table = CaptionTable(tmp_path / "captions")
    table.append(
        rows(
            row("/in/a.jpg", caption="a red dog on the grass", confidence=0.9, alternatives=["a dog"]),
            row("/in/b.jpg", caption="the grass is red, the dog sleeps", confidence=0.2),
            row("/in/c.jpg", caption="un café", night="n2", **later()),
            row("/in/d.jpg", caption="by hand", source=HUMAN, who="ann", night=None, model_name=None),
        ),
        0,
    )
    return table


@pytest.fixture
def index(table):
    return CaptionIndex(table)


def found(index, start=0, count=10, **query):
    total, captions = index.find(CaptionQuery(**query), start, count)
    assert total >= len(captions)
    return [each.image[-5] for each in captions]


@pytest.mark.parametrize(
    ("query", "images"),
    [
        ({}, "bacd"),  # without a confidence last
        ({"order": "name"}, "abcd"),
        ({"order": "newest"}, "cdba"),
        ({"words": "red dog"}, "ba"),
        ({"words": '"red dog"'}, "a"),
        ({"words": "gras"}, "ba"),
        ({"words": "gras "}, ""),
        ({"words": "CAFE"}, "c"),
        ({"words": 'dog" OR NOT ('}, ""),
        ({"words": "b.jpg"}, "b"),
        ({"night": "n2"}, "c"),
        ({"source": "human"}, "d"),
        ({"source": "model", "words": "red", "night": "n1"}, "ba"),
    ],
)
def test_words_filters_and_orders(index, query, images):
    assert found(index, **query) == list(images)


def test_places_and_what_a_caption_says(index):
    assert found(index, start=1, count=2) == ["a", "c"]
    total, [first] = index.find(CaptionQuery(words="red"), 1, 1)
    assert (total, first.alternatives, first.model_name, first.confidence) == (2, ("a dog",), "captioner", 0.9)
    assert index.of("/in/d.jpg").who == "ann"
    assert index.of("/in/x.jpg") is None
    assert index.nights() == ["n2", "n1"]


def test_what_others_and_what_this_process_changed_is_found(index, table):
    table.append(rows(row("/in/a.jpg", etag="e2", caption="a blue cat"), row("/in/e.jpg", caption="a blue sky")), 1)
    index.reread("/in/a.jpg")
    assert found(index, words="blue") == ["a"]
    assert found(index, words="red dog") == ["b"]
    index.refresh()
    assert found(index, words="blue") == ["a", "e"]


def test_no_table_is_empty(tmp_path):
    assert CaptionIndex(CaptionTable(tmp_path / "none")).find(CaptionQuery(), 0, 1) == (0, [])


def test_a_night_has_its_images_whose_captions_people_wrote(table, index):
    by_hand = row("/in/a.jpg", caption="by hand", source=HUMAN, who="ann", night=None, model_name=None, **later())
    table.append(rows(by_hand), table.version(), ("image", "who"))
    for stale in (CaptionIndex(table), index):
        stale.reread("/in/a.jpg")
        assert found(stale, night="n1", order="name") == ["a", "b"]
        assert stale.of("/in/a.jpg").night == "n1"


def test_the_captions_that_words_fit_best_come_first(index):
    assert [each.image for each in index.search("dog grass", 10)] == ["/in/a.jpg", "/in/b.jpg"]
    assert [each.image for each in index.search('"dog sleeps"', 10)] == ["/in/b.jpg"]
    assert (len(index.search("jpg", 2)), index.search(' "', 2), index.search("zebra", 2)) == (2, [], [])
