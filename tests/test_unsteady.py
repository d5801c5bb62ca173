"""A test that fails now and then is named and fails nothing; a broken one fails the run."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[1]
TESTS = """
from pathlib import Path

def test_fine():
    pass

def test_now_and_then():
    seen = Path("seen")
    first = not seen.exists()
    seen.touch()
    assert not first

def test_broken():
    assert Path("mended").exists()
"""


@pytest.mark.parametrize("workers", ["0", "2"])
def test_a_failed_test_runs_once_more(tmp_path, workers):
    (tmp_path / "test_some.py").write_text(TESTS)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    command = [sys.executable, "-m", "pytest", "-p", "tests.unsteady", "-n", workers]

    def run():
        environ = os.environ | {"PYTHONPATH": str(CHECKOUT)}
        return subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, check=False)

    done = run()
    assert done.returncode == 1
    assert "UNSTEADY test_some.py::test_now_and_then" in done.stdout
    assert "UNSTEADY test_some.py::test_broken" not in done.stdout

    (tmp_path / "mended").touch()
    (tmp_path / "seen").unlink()
    done = run()
    assert done.returncode == 0
    assert done.stdout.splitlines()[-1].startswith("UNSTEADY test_some.py::test_now_and_then: failed once")
