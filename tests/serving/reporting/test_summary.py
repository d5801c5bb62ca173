"""The summary of a night."""

import json
from datetime import datetime, timedelta

from pipeline.storage.files import read_json


def test_the_summary_is_what_is_written(world):
    world.fill(2)
    world.put("bad.jpg", b"")
    summary = world.night()
    assert json.loads(json.dumps(summary.to_json())) == read_json(world.folder() / "summary.json")
    assert summary.distinct_captions == 2
    assert -1 <= summary.mean_score < 0
    assert summary.reasons == {"empty": 1}


def test_nights_until_nothing_waits(world):
    world.fill(5)
    summary = world.night(max_images=2)
    assert (summary.backlog, summary.backlog_nights) == (3, 2)
    planned_at = datetime.fromisoformat(read_json(world.folder() / "plan" / "plan.json")["planned_at"])
    assert summary.backlog_end == f"{planned_at + timedelta(2):%Y-%m-%d}"


def test_a_night_without_images_has_the_tables_version_and_no_score(world):
    world.fill(1)
    world.night()
    summary = world.night("n2")
    assert (summary.version, summary.captioned, summary.mean_score, summary.distinct_captions) == (1, 0, None, 0)
    assert (summary.backlog_nights, summary.backlog_end, summary.already_published) == (None, None, False)
