"""The newest objects, chosen on disk."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.storage.objects import ObjectInfo
from serving.planning import newest
from serving.planning.newest import Newest
from serving.runs.plan_file import shard_line

START = datetime(2026, 1, 1, tzinfo=UTC)


def listed(ages):
    return [
        ObjectInfo(f"{n}.jpg", f"/in/{n}.jpg", "e", n, START - timedelta(microseconds=age))
        for n, age in enumerate(ages)
    ]


@given(st.lists(st.integers(0, 30), max_size=200), st.integers(1, 20) | st.none())
def test_they_are_those_of_a_stable_sort(tmp_path_factory, ages, budget):
    with pytest.MonkeyPatch.context() as patch, Newest(tmp_path_factory.getbasetemp(), budget) as chosen:
        patch.setattr(newest, "_MIN_KEPT", 4)  # so that few objects already are many
        chosen._most = None if budget is None else newest._SLACK * budget
        infos = listed(ages)
        for info in infos:
            chosen.add(info)
        expected = sorted(infos, key=lambda info: info.modified, reverse=True)[:budget]
        assert list(chosen.lines()) == [shard_line(info) for info in expected]
        assert len(chosen) == len(expected)


def test_the_file_stays_small_though_every_object_is_newer_than_the_last(tmp_path):
    with Newest(tmp_path, 100) as chosen:
        sizes = set()
        for info in listed(range(50_000, 0, -1)):
            chosen.add(info)
            sizes.add(chosen._file.tell())
        assert max(sizes) < newest._MIN_KEPT * 100
        assert not list(tmp_path.iterdir())
