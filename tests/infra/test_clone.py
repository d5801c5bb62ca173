"""docker-compose.yml in what a person who clones the repository gets."""

import shutil
import subprocess

import pytest

from tests.infra.compose_file import CHECKOUT, compose, run


def test_a_clone_takes_make_env_and_no_file_that_git_does_not_know(tmp_path):
    told = subprocess.run(["git", "ls-files", "-z"], check=False, cwd=CHECKOUT, capture_output=True, text=True)
    if told.returncode:
        pytest.skip("needs a checkout of git")
    for name in filter(None, told.stdout.split("\0")):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(CHECKOUT / name, tmp_path / name)
    every = ("--profile", "*", "config", "-q")
    before = compose(tmp_path, *every)
    assert before.returncode != 0
    assert "run make env first" in before.stderr
    made = run(tmp_path, "make", "-s", "env")
    assert made.returncode == 0, made.stderr
    after = compose(tmp_path, *every)
    assert (after.returncode, after.stderr) == (0, "")
