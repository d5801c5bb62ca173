"""Waits for something that another process or thread does."""

import time


def until(condition, timeout, what, *, process=None, pause=0.1):
    """The first true value of a condition.

    Fails after `timeout` seconds, and as soon as `process` has ended; `what` is the message, or a function that makes it.
    """
    end = time.monotonic() + timeout
    while not (value := condition()):
        message = what() if callable(what) else what
        assert process is None or process.poll() is None, f"{message}: the process ended with {process.returncode}"
        assert time.monotonic() < end, f"{message} within {timeout} s"
        time.sleep(pause)
    return value
