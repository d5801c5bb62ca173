"""`nightcap run`, stopped while it starts."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress

import pytest

from tests.until import until

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]


@pytest.fixture(autouse=True)
def _heeding_interrupts():
    """What a shell starts in the background ignores SIGINT, and so does all that it starts."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("log", ["airflow-migrate.log", "airflow-scheduler.log"])
def test_an_interrupted_start_leaves_nothing(tmp_path, processes_of, log):
    env = {**os.environ, "NIGHTCAP_HOME": str(tmp_path)}
    command = [sys.executable, "-m", "nightcap", "run", "--exit"]
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        try:
            until((tmp_path / "logs" / log).exists, 120, f"{log} did not appear")
            time.sleep(2)
            process.send_signal(signal.SIGINT)
            time.sleep(0.1)
            process.send_signal(signal.SIGINT)  # impatience changes nothing
            output, _ = process.communicate(timeout=40)
        finally:
            with suppress(ProcessLookupError):
                process.kill()
    assert process.returncode == 130
    assert output.splitlines()[-1] == "Stopping Airflow and MLflow"
    assert "Traceback" not in output
    assert processes_of(tmp_path) == []
