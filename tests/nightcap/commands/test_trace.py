"""`nightcap trace`."""

import json

import pytest

from tests.pipeline.registry.light_registry import NAME
from tests.pipeline.upkeep.traced_home import continued_home, traced_home


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return traced_home(tmp_path_factory.mktemp("traced"))


@pytest.fixture
def trace(home, run, monkeypatch):
    monkeypatch.setenv("NIGHTCAP_HOME", str(home.root))
    return lambda *arguments: run("trace", *arguments)


def test_lines_for_a_person(trace):
    done = trace("/in/1.jpg")
    assert done.code == 0
    for text in ("by captioner version 1, night n1, run r1", "better by far", "journal entry 1: promote - -> 1", "Ada"):
        assert text in done.out
    assert "truncated" in trace("/in/bad.jpg").out
    assert "published in nights: n1 (1), n3 (1)" in trace("a.jpg").out
    assert "left out by validation" in trace("spoilt.jpg").out


def test_json_and_a_file_of_captions(trace, tmp_path):
    done = trace("b.jpg", "--json", "--captions", tmp_path / "out.jsonl")
    assert done.code == 0
    assert len(json.loads(done.out)["trained"]) == 2
    lines = (tmp_path / "out.jsonl").read_text().splitlines()
    assert {json.loads(line)["model_version"] for line in lines} == {"1", "2"}


def test_an_unknown_image_is_one_line(trace):
    assert trace("x.jpg").refused(2, "nothing is known of 'x.jpg'")
    assert trace("/in/BAD.jpeg").refused(2, "nothing is known of '/in/BAD.jpeg' (perhaps '/in/bad.jpg')")
    assert "truncated" in trace("/in/./bad.jpg").out


def test_a_version_that_continues_another_is_named_with_it(run, tmp_path, monkeypatch):
    monkeypatch.setenv("NIGHTCAP_HOME", str(continued_home(tmp_path).root))
    text = f"in the snapshot (train) of {NAME} version 3, which continues models:/{NAME}/2\n"
    assert text in run("trace", "b.jpg").out
