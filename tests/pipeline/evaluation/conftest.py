"""The evaluation of the tiny run, and runs that evaluate fewer images."""

import json

import pytest

from pipeline.storage.files import read_json


@pytest.fixture(scope="module")
def folder(tiny_run):
    return tiny_run.output("evaluate").path


@pytest.fixture(scope="module")
def scores(folder):
    return read_json(folder / "scores.json")


@pytest.fixture(scope="module")
def lines(folder):
    return [json.loads(line) for line in (folder / "captions.jsonl").read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module")
def references(tiny_run):
    return tiny_run.accepted.references("test")


@pytest.fixture(scope="session")
def limited():
    """A run that degrades at most so many images."""

    def limited(run, images):
        evaluation = run.settings.evaluation.model_copy(update={"images": images})
        return type(run)(run.settings.model_copy(update={"evaluation": evaluation}), run.home, run.done)

    return limited
