"""Retries until a deadline."""

import time

import pytest

from pipeline.core.errors import ObjectUnavailable
from pipeline.storage.objects import retry
from pipeline.storage.objects.retry import RetryDeadline, TransientError


@pytest.fixture
def clock(monkeypatch):
    """A clock that sleeping moves; `clock[0]` is the time."""
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    monkeypatch.setattr(time, "sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))
    monkeypatch.setattr(retry.random, "random", lambda: 1.0)
    return now


def failing(clock, times, cost=1.0):
    left = [times]

    def act(_):
        clock[0] += cost
        left[0] -= 1
        if left[0] >= 0:
            raise TransientError("busy")
        return "done"

    return act


def test_short_failures_are_retried(clock):
    assert RetryDeadline(60, 3).call("read a", failing(clock, 3)) == "done"
    assert clock[0] == 3 + 1 + 2 + 4 + 8, "four tries, three pauses"


@pytest.mark.parametrize("longest", [1, 5, 20])
def test_it_ends_before_the_deadline(clock, longest):
    with pytest.raises(ObjectUnavailable, match="cannot read a: busy"):
        RetryDeadline(60, longest).call("read a", failing(clock, 10_000, cost=longest))
    assert 25 <= clock[0] <= 60


def test_all_calls_wait_once_for_an_outage(clock):
    shared = RetryDeadline(60, 3)
    with pytest.raises(ObjectUnavailable):
        shared.call("read a", failing(clock, 10_000))
    for name in ("b", "c", "d"):
        with pytest.raises(ObjectUnavailable):
            shared.call(f"read {name}", failing(clock, 10_000))
    assert clock[0] <= 60 + 3, "a try each tells that it goes on"
    assert shared.call("read e", failing(clock, 0)) == "done"
    assert shared.call("read f", failing(clock, 3)) == "done", "an answer moved the deadline"


def test_hours_without_calls_do_not_count(clock):
    shared = RetryDeadline(60, 3)
    shared.call("read a", failing(clock, 1))
    clock[0] += 10_000
    assert shared.call("read b", failing(clock, 2)) == "done"
