"""The helper that waits."""

import subprocess
import sys
import time
from itertools import count

import pytest

from tests.until import until


def test_the_first_true_value_is_returned():
    numbers = count()
    assert until(lambda: next(numbers) > 2 and "done", 5, "no number", pause=0) == "done"
    assert next(numbers) == 4


def test_the_time_is_limited():
    begun = time.monotonic()
    with pytest.raises(AssertionError, match=r"nothing came within 0\.2 s"):
        until(lambda: False, 0.2, lambda: "nothing came", pause=0.01)
    assert time.monotonic() - begun < 2


def test_a_process_that_ended_is_not_waited_for():
    process = subprocess.Popen([sys.executable, "-c", "raise SystemExit(3)"])
    with pytest.raises(AssertionError, match="no page: the process ended with 3"):
        until(lambda: False, 60, "no page", process=process)
