"""Tables are tended by a clock, in three steps."""

import pytest


def test_it_runs_weekly_and_an_upgrade_comes_first(dags):
    assert dags["tend_tables"]["expression"] == "0 12 * * 0"
    assert dags["tend_tables"]["tasks"]["compact"]["after"] == ["upgrade"]
    assert dags["tend_tables"]["tasks"]["vacuum"]["after"] == ["compact"]


def test_20_10_a_form_removes_no_version_of_the_last_day(monkeypatch):
    """A reader may be at work on it."""
    tend_tables = pytest.importorskip("dags.tend_tables", reason="needs Airflow")
    monkeypatch.setattr(tend_tables, "get_current_context", lambda: {"params": {"table": None, "keep_days": 0.0}})
    assert tend_tables._tending().settings.keep_days == 1
