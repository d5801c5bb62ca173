"""The night that nobody triggers."""

import time

import pytest

from pipeline.sources.scenes.dataset import draw_inbox
from tests.integration.compose.reach import s3

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]


def test_dags_with_a_schedule_are_let_go_on(api):
    assert not api.get("dags/tend_tables")["is_paused"]  # which nobody has triggered
    assert api.get("dags/caption_nightly")["next_dagrun_run_after"].endswith("T02:00:00Z")


def test_a_night_fires_by_its_schedule(stack, api, champion, tmp_path):
    """With another NIGHTCAP_SCHEDULE, as it is in `.env`; 02:00 does not come in a test."""
    for number, path in enumerate(draw_inbox(tmp_path, 3, seed=7)):
        s3(stack, "OWNER").put_object(Bucket="pictures", Key=f"inbox/by night {number}.png", Body=path.read_bytes())
    before = scheduled(api)
    stack.change("airflow-dag-processor", NIGHTCAP_SCHEDULE="* * * * *")
    run = next_scheduled(api, before)
    for _ in api.follow("caption_nightly", run):
        pass
    counted = api.result("caption_nightly", run, "report")
    assert counted["captioned"] >= 3


def scheduled(api):
    return {run["dag_run_id"] for run in api.get("dags/caption_nightly/dagRuns?run_type=scheduled")["dag_runs"]}


def next_scheduled(api, before):
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        if new := scheduled(api) - before:
            return min(new)
        time.sleep(2)
    raise AssertionError("no night fired in 300 s")
