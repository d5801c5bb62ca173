"""tests/conftest.py lets no process outlive the tests, wherever it hid."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CONFTEST = Path(__file__).resolve().parents[1] / "conftest.py"
CHILD = "subprocess.Popen(['sleep', '61'])"
ORPHAN = "subprocess.run(['bash', '-c', 'setsid sleep 62 >/dev/null 2>&1 &'])"


@pytest.mark.integration
@pytest.mark.parametrize(("statement", "told"), [(CHILD, "sleep 61"), (ORPHAN, "sleep 62"), ("print()", None)])
def test_processes_left_running_fail_the_session(tmp_path, statement, told):
    shutil.copy(CONFTEST, tmp_path / "conftest.py")
    (tmp_path / "test_it.py").write_text(f"import subprocess\ndef test_it():\n    {statement}\n")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", tmp_path, tmp_path]
    result = subprocess.run(command, check=False, cwd=tmp_path, capture_output=True, text=True)
    assert (result.returncode == 0) == (told is None), result.stdout
    assert told is None or told in result.stdout
