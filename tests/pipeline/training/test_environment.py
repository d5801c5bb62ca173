import sys
from pathlib import Path

import keras

import pipeline
from pipeline.training.environment import versions


def test_versions_are_those_of_what_runs():
    actual = versions()
    assert actual["python"] == sys.version.split()[0]
    assert actual["keras"] == keras.__version__
    assert not {"tensorflow", "tensorflow-cpu"}.isdisjoint(actual)


def test_the_commit_is_reported_of_a_checkout_alone():
    git = versions()["git"]
    checkout = (Path(pipeline.__file__).parents[1] / ".git").exists()
    assert (git is not None) == checkout
    assert git is None or (len(git["commit"]) == 40 and isinstance(git["unchanged"], bool))
