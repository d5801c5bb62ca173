"""`nightcap tables`, and `nightcap models` where it changes which version captions."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipeline.core.environment import Home
from pipeline.core.errors import PromotionRefused
from pipeline.registry import infra_validation
from pipeline.registry.promotions import Promotions
from pipeline.registry.versions import CHAMPION
from pipeline.storage.tables import CaptionTable
from pipeline.storage.tables.corrections import Correction, CorrectionTable
from pipeline.storage.tables.human_captions import add_human_captions
from pipeline.storage.tables.reviews import CaptionReview, ReviewTable
from tests.pipeline.registry.light_registry import NAME, add_versions, captioning
from tests.pipeline.storage.tables.correction_rows import NOW, correction
from tests.pipeline.storage.tables.table_rows import current, files, later, row, rows


@pytest.fixture
def table():
    """The default table, with captions of two versions."""
    table = CaptionTable(Home.from_environment().captions)
    table.append(rows(row("a", caption="old"), row("b", caption="old")), 0)
    table.append(rows(row("a", **later(model_version="2", night="n2"), caption="new")), 1)
    table.append(rows(row("c", **later(model_version="2", night="n3"), caption="new")), 2)
    table.write_current()
    return table


def test_upkeep(run, table):
    assert run("tables", "compact").out == f"{table.uri}, corrections and reviews: 2 files fewer\n"
    assert len(files(table.uri)) == 4
    assert (
        run("tables", "vacuum").out
        == f"{table.uri}, corrections and reviews: removed 0 files and 0 unpublished attempts\n"
    )
    assert run("tables", "vacuum", "--keep-days", "0").out.startswith(
        f"{table.uri}, corrections and reviews: removed 4 files"
    )
    assert run("tables", "upgrade").out == f"{table.uri}: has every column\n"
    assert current(table) == {"a": "new", "b": "old", "c": "new"}


def test_upkeep_of_corrections(run, table):
    corrections = CorrectionTable(Home.from_environment().store / "corrections")
    for n in range(3):
        corrections.append([Correction(f"p{n}", "a dog", "ann", datetime(2026, 1, 1, tzinfo=UTC))])
    said = corrections.read()
    assert run("tables", "compact").out == f"{table.uri}, corrections and reviews: 4 files fewer\n"
    assert run("tables", "vacuum", "--keep-days", "0").out.startswith(
        f"{table.uri}, corrections and reviews: removed 7 files"
    )
    assert len(files(corrections.uri)) == 1
    assert corrections.read() == said
    assert run("tables", "compact").out == f"{table.uri}, corrections and reviews: 0 files fewer\n"


@pytest.mark.parametrize("command", ["compact", "vacuum", "upgrade", "repair"])
def test_no_table(run, tmp_path, command):
    assert run("tables", command, "--table", tmp_path / "none").refused(2, "none", "a night makes it")


def test_a_damaged_table_is_repaired(run, table):
    last = Path(table.uri) / "_delta_log" / f"{3:020d}.json"
    last.write_bytes(b"")
    assert run("tables", "compact").refused(1, last.name, "nightcap tables repair")
    assert run("tables", "repair").out == (
        f"{table.uri}: 1 damaged files left out, {last.name}; 0 rows lost with them, 1 rows of lost commits taken in again\n"
    )
    assert current(table) == {"a": "new", "b": "old", "c": "new"}


def test_damaged_corrections_are_repaired_from_the_captions(run, table):
    home = Home.from_environment()
    corrections = CorrectionTable(home.store / "corrections")
    corrections.append([correction("/a")])
    add_human_captions(table, said := corrections.read())
    (file,) = Path(corrections.uri).glob("*.parquet")
    file.write_bytes(b"")
    assert run("correct", "/a.jpg", "--undo").refused(1, file.name, "nightcap tables repair")
    assert run("tables", "repair").out == (
        f"{table.uri}: 0 damaged files left out; 0 rows lost with them, 0 rows of lost commits taken in again\n"
        f"{corrections.uri}: 1 damaged files left out, {file.name}; "
        "1 rows lost with them, 1 rows of lost commits and of the captions taken in again\n"
    )
    assert corrections.read() == said


@pytest.fixture
def versions():
    """Three registered versions, the first and then the second promoted."""
    home = Home.from_environment()
    add_versions(home, "one", "two", "three")
    promotions = Promotions(home)
    for version in ("1", "2"):
        promotions.promote(NAME, version, promotions.journal.last(), "me")
    return promotions


def test_a_rollback_lets_captions_fall_back(run, table, versions):
    done = run("models", "rollback", "--withdraw", "--why", "wrong colours")
    assert done.out == (
        "captioner version 1 is the champion (entry 3 of the promotion journal)\n"
        "nights that used version 2, with their captions: n2 (1), n3 (1)\n"
        "2 captions of version 2 are withdrawn\n"
        "a night under way with such a version still publishes; after it run: nightcap models withdraw 2\n"
    )
    assert captioning(Home.from_environment()) == versions.registry.aliased(NAME, CHAMPION) == "1"
    assert current(table) == {"a": "old", "b": "old"}
    again = run("models", "rollback", "1", "--withdraw")
    assert again.out.startswith("captioner version 1 is the champion already\n0 captions of version 2 are withdrawn\n")


def test_what_a_night_under_way_published_is_withdrawn_after_it(run, table, versions):
    """As the rollback says; it goes back no further, and the champion's captions stay."""
    versions.promote(NAME, "3", versions.journal.last(), "me")
    done = run("models", "rollback", "--withdraw")
    table.append(rows(row("a", **later(model_version="3", night="n4"), caption="late")), 3)
    table.write_current()
    after = done.out.splitlines()[-1].partition("after it run: nightcap ")[2].split()
    assert run(*after).out == "1 captions of version 3 are withdrawn\n"
    assert captioning(Home.from_environment()) == "2"
    assert current(table) == {"a": "new", "b": "old", "c": "new"}


def test_what_is_given_up_is_withdrawn_though_its_number_is_lower(run, table, versions):
    """Version 3 captioned, a person made it version 2, which was a mistake."""
    for version in ("3", "2"):
        versions.promote(NAME, version, versions.journal.last(), "me")
    done = run("models", "rollback", "--withdraw").out.splitlines()
    assert done[0].startswith("captioner version 3 is the champion")
    assert done[2] == "2 captions of version 2 are withdrawn"
    assert current(table) == {"a": "old", "b": "old"}


def test_without_a_rollback_nothing_is_withdrawn(run, table, versions):
    done = run("models", "rollback", "2", "--withdraw")
    assert "already\nno version was given up, so no captions are withdrawn" in done.out
    assert current(table)["a"] == "new"


@pytest.mark.parametrize(
    ("version", "words"), [("2", ("is the champion",)), ("7", ("captioner/7",)), ("two", ("two",))]
)
def test_the_champions_captions_are_not_withdrawn_nor_those_of_nobody(run, table, versions, version, words):
    assert run("models", "withdraw", "1", version).refused(2, *words)
    assert current(table) == {"a": "new", "b": "old", "c": "new"}


def test_a_rollback_alone_leaves_the_captions(run, table, versions):
    assert run("models", "rollback", "1").out.startswith("captioner version 1 is the champion (entry 3 ")
    assert current(table)["a"] == "new"


def test_a_rollback_from_what_no_night_has_used(run, versions):
    assert run("models", "rollback").out.endswith("no night has used version 2\n")


def test_the_journal_is_shown(run, versions):
    run("models", "rollback", "--why", "wrong colours")
    lines = run("models", "journal").out.splitlines()
    assert [line.split()[0] for line in lines] == ["3", "2", "1"]
    assert "rollback 2 -> 1" in lines[0]
    assert lines[0].endswith(": wrong colours")
    assert lines[2].endswith("promote - -> 1  me")
    told = [json.loads(line) for line in run("models", "journal", "--json").out.splitlines()]
    assert [(entry["from"], entry["to"]) for entry in told] == [("2", "1"), ("1", "2"), (None, "1")]


@pytest.mark.parametrize(("version", "words"), [("7", ("captioner/7",)), ("two", ("version", "'two'"))])
def test_a_version_that_is_not_there(run, versions, version, words):
    assert run("models", "rollback", version).refused(2, *words)
    assert captioning(Home.from_environment()) == "2"


def test_a_version_that_is_not_there_is_not_tried(run, versions):
    assert run("models", "promote", "7").refused(2, "no model at models:/captioner/7")


def test_what_does_not_load_is_not_promoted(run, versions):
    """Its weights are none, which the trial finds in a process of its own."""
    assert run("models", "promote", "3", "--anyway").refused(1, "models:/captioner/3 on trial")
    assert captioning(Home.from_environment()) == "2"


@pytest.mark.parametrize(
    ("arguments", "limit"),
    [
        (("promote", "1"), 5.0),
        (("promote", "1", "--config", "training.yaml"), 9.0),
        (("verify", "1", "--config", "training.yaml", "--set", "gate.max_seconds_per_image=20"), 20.0),
    ],
)
def test_a_trial_by_hand_has_the_budget_of_the_training(run, tmp_path, monkeypatch, arguments, limit):
    (tmp_path / "training.yaml").write_text("{gate: {max_seconds_per_image: 9, trial_timeout_s: 1800}}")
    monkeypatch.chdir(tmp_path)
    budgets = []

    def tried(home, uri, budget):
        budgets.append(budget)
        raise PromotionRefused(f"{uri} on trial")

    monkeypatch.setattr(infra_validation, "try_version", tried)
    assert run("models", *arguments).refused(1, "models:/captioner/1 on trial")
    assert [budget.max_seconds_per_image for budget in budgets] == [limit]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("replay",), ("--reason", "--night")),
        (("forget", "--images", "/dev/null"), ("names no image",)),
    ],
)
def test_mistakes_are_one_line(run, tmp_path, arguments, words):
    if arguments[0] == "forget":
        (tmp_path / "empty.txt").write_text("\n")
        arguments = ("forget", "--images", tmp_path / "empty.txt")
    assert run(*arguments).refused(2, *words)


def test_damaged_reviews_are_repaired(run, table):
    reviews = ReviewTable.of(Home.from_environment().store)
    for image in ("/a", "/b"):
        reviews.append([CaptionReview(image, "captioner", "3", "n1", "accepted", "ann", NOW)])
    file = min(Path(reviews.uri).glob("*.parquet"))
    file.write_bytes(b"")
    assert run("tables", "repair").out.endswith(
        f"{reviews.uri}: 1 damaged files left out, {file.name}; 1 rows lost with them, 0 rows of lost commits taken in again\n"
    )
    assert len(reviews.read()) == 1
