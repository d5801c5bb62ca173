import sys
from pathlib import Path

import keras

import pipeline
from pipeline.training import environment
from pipeline.training.environment import versions


def test_versions_are_those_of_what_runs():
    actual = versions()
    assert actual["python"] == sys.version.split()[0]
    assert actual["keras"] == keras.__version__
    assert not {"tensorflow", "tensorflow-cpu"}.isdisjoint(actual)


def test_git_learns_no_secret(tmp_path, monkeypatch):
    git = tmp_path / "git"
    git.write_text(f'#!/bin/sh\nenv >> "{tmp_path}/seen"\n')
    git.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "canary-3f9a")
    (tmp_path / ".git").mkdir()
    environment._git(tmp_path)
    assert "PATH=" in (seen := (tmp_path / "seen").read_text())
    assert "canary-3f9a" not in seen


def test_the_commit_is_reported_of_a_checkout_alone():
    git = versions()["git"]
    checkout = (Path(pipeline.__file__).parents[1] / ".git").exists()
    assert (git is not None) == checkout
    assert git is None or (len(git["commit"]) == 40 and isinstance(git["unchanged"], bool))
