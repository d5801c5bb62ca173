"""`nightcap tables`, and `nightcap models rollback` where it touches the table of captions."""

import pytest

from pipeline.home import Home
from pipeline.registry import CHAMPION, DIGEST_TAG, Registry
from pipeline.table import CaptionTable
from tests.pipeline.table_rows import current, files, later, row, rows


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
    assert run("tables", "compact").out == f"{table.uri}: 2 files fewer\n"
    assert len(files(table.uri)) == 4
    assert run("tables", "vacuum").out == f"{table.uri}: removed 0 files and 0 unpublished attempts\n"
    assert run("tables", "vacuum", "--keep-days", "0").out.startswith(f"{table.uri}: removed 4 files")
    assert run("tables", "upgrade").out == f"{table.uri}: has every column\n"
    assert current(table) == {"a": "new", "b": "old", "c": "new"}


@pytest.mark.parametrize("command", ["compact", "vacuum", "upgrade"])
def test_no_table(run, tmp_path, command):
    assert run("tables", command, "--table", tmp_path / "none").refused(2, "none", "a night makes it")


@pytest.fixture
def versions():
    """Two registered versions, the second the champion."""
    registry = Registry(Home.from_environment())
    with registry.answering():
        from mlflow import MlflowClient

        client = MlflowClient()
        client.create_registered_model("captioner")
        for digest in ("1" * 64, "2" * 64):
            client.create_model_version("captioner", source="/nowhere", tags={DIGEST_TAG: digest})
    registry.set_alias("captioner", CHAMPION, "2")
    return registry


def test_a_rollback_lets_captions_fall_back(run, table, versions):
    done = run("models", "rollback", "1", "--withdraw")
    assert done.out == "captioner version 1 is the champion\n2 captions of version 2 are withdrawn\n"
    assert versions.champion("captioner").version == "1"
    assert current(table) == {"a": "old", "b": "old"}
    again = run("models", "rollback", "1", "--withdraw")
    assert again.out.endswith("0 captions of version 2 are withdrawn\n")


def test_a_rollback_alone_leaves_the_captions(run, table, versions):
    assert run("models", "rollback", "1").out == "captioner version 1 is the champion\n"
    assert current(table)["a"] == "new"


def test_a_version_that_is_not_there(run, versions):
    assert run("models", "rollback", "7").refused(2, "captioner/7")
    assert versions.champion("captioner").version == "2"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("replay",), ("--reason", "--night")),
        (("forget", "--images", "/dev/null"), ("names no picture",)),
    ],
)
def test_mistakes_are_one_line(run, tmp_path, arguments, words):
    if arguments[0] == "forget":
        (tmp_path / "empty.txt").write_text("\n")
        arguments = ("forget", "--images", tmp_path / "empty.txt")
    assert run(*arguments).refused(2, *words)
