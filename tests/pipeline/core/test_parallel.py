"""Working ahead of the caller in threads."""

import threading
import time

import pytest

from pipeline.core.parallel import in_parallel


def test_results_come_in_order_and_few_are_begun():
    begun = []

    def act(item):
        begun.append(item)
        time.sleep(0.002 * (item % 3))
        return item

    results = in_parallel(act, iter(range(1000)), 3)
    assert [next(results) for _ in range(5)] == [0, 1, 2, 3, 4]
    results.close()
    assert len(begun) <= 5 + 4 * 3


def test_an_error_is_raised_at_its_place():
    results = in_parallel(lambda item: 1 // item, [1, 0, 1], 2)
    assert next(results) == 1
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_no_more_items_are_taken_than_may_wait():
    taken = []
    results = in_parallel(str, (taken.append(item) or item for item in range(100)), threads=2, ahead=7)
    for number in range(10):
        assert next(results) == str(number)
        assert len(taken) <= number + 7


def test_threads_end_when_the_caller_stops_early():
    before = threading.active_count()
    results = in_parallel(lambda item: time.sleep(0.01), range(1000), 3)
    next(results)
    results.close()
    assert threading.active_count() == before
