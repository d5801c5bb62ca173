"""The nights that nobody triggers."""

import pytest
from deltalake import DeltaTable

from pipeline.data.sources.scenes.dataset import draw_inbox
from tests.integration.compose.reach import eventually, s3

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]


def test_dags_with_a_schedule_are_let_go_on(api):
    assert not api.get("dags/tend_tables")["is_paused"]  # which nobody has triggered
    assert api.get("dags/caption_nightly")["next_dagrun_run_after"].endswith("T02:00:00Z")


def test_a_night_fires_by_its_schedule(stack, champion, tmp_path):
    """With another NIGHTCAP_SCHEDULE, as it is in `.env`; 02:00 does not come in a test."""
    for number, path in enumerate(draw_inbox(tmp_path, 3, seed=7)):
        s3(stack, "OWNER").put_object(Bucket="pictures", Key=f"inbox/by night {number}.png", Body=path.read_bytes())
    stack.change("airflow-dag-processor", NIGHTCAP_SCHEDULE="* * * * *")
    assert eventually(lambda: len(runs_by_night(stack)) == 3, limit_s=300)
    assert all(run.startswith("scheduled__") for run in runs_by_night(stack))


def runs_by_night(stack):
    """The run that captioned each of those images."""
    table = stack.volume("captions") / "captions"
    if not DeltaTable.is_deltatable(str(table)):
        return []
    rows = DeltaTable(str(table)).to_pyarrow_table().to_pylist()
    return [row["run"] for row in rows if "/by night " in row["image"]]
