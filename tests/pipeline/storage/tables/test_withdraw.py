"""Withdrawing a version's captions, and removing an image's rows."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from deltalake import DeltaTable

from pipeline.storage.tables import HUMAN, CaptionTable
from pipeline.storage.tables.withdraw import erase, withdraw, withdrawn_by_commit
from tests.pipeline.storage.tables.table_rows import current, images, keys, later, quarantined, row, rows


@pytest.fixture
def table(tmp_path):
    """Two versions have captioned; `two` only the second."""
    table = CaptionTable(tmp_path / "captions")
    table.append(rows(row("one", caption="old"), row("mine", caption="old"), quarantined("broken", "empty")), 0)
    table.append(
        rows(
            *(row(image, **later(model_version="2", night="n2"), caption="new") for image in ("one", "two", "mine")),
            row("mine", **later(), source=HUMAN, model_name=None, model_version=None, caption="by hand"),
        ),
        1,
    )
    table.write_current()
    return table


def test_withdrawn_captions_fall_back(table):
    assert current(table) == {"one": "new", "two": "new", "mine": "by hand"}
    assert withdraw(table, "captioner", "2") == 3
    assert current(table) == {"one": "old", "mine": "by hand"}
    marked = DeltaTable(table.uri).to_pyarrow_table().to_pylist()
    assert sorted(each["image"] for each in marked if each["withdrawn"]) == ["mine", "one", "two"]
    assert len(marked) == 7
    assert withdraw(table, "captioner", "2") == 0
    assert table.version() == 3
    assert withdrawn_by_commit(table) == {"2": 3}


def test_an_image_without_a_caption_left_is_captioned_again_even_by_the_same_version(table):
    withdraw(table, "captioner", "2")
    assert keys(table.processed()) == {("one", "e1"), ("mine", "e1"), ("broken", "e1")}
    assert table.append(rows(row("two", **later(2, model_version="2"))), table.version()) == 1


def test_a_version_that_captioned_nothing(table):
    assert withdraw(table, "captioner", "7") == 0
    assert withdraw(CaptionTable(f"{table.uri}_none"), "captioner", "1") == 0


def test_erased_rows_are_in_neither_table(table):
    assert erase(table, ["one", "unknown"]) == 2
    assert images(table) == ["broken", "mine", "mine", "mine", "two"]
    assert current(table) == {"two": "new", "mine": "by hand"}


def test_erasing_a_missing_image_commits_all_the_same(table):
    before = table.version()
    assert erase(table, ["unknown"]) == 0
    assert table.version() == before + 1
    assert erase(CaptionTable(f"{table.uri}_none"), ["one"]) == 0


def test_changes_and_nights_at_once_lose_nothing(table):
    sequence = table.version()
    changes = [
        lambda: withdraw(table, "captioner", "2"),
        lambda: erase(table, ["broken"]),
        *(lambda n=n: table.append(rows(row(f"p{n}", night=f"p{n}")), sequence) for n in range(4)),
    ]
    with ThreadPoolExecutor(len(changes)) as pool:
        counts = list(pool.map(lambda change: change(), changes))
    assert counts == [3, 1, 1, 1, 1, 1]
    table.write_current()
    assert current(table) == {"one": "old", "mine": "by hand"} | {f"p{n}": f"an image of p{n}" for n in range(4)}
