"""Nights that died after they were published are reported by the next."""

import pytest

from pipeline.storage.files import read_json
from serving.publish import publish
from serving.runs.plan_file import Plan


@pytest.mark.parametrize("written", [False, True])
def test_the_next_night_reports_what_died_after_it_was_published(world, tmp_path, caplog, written):
    """It was named by its moment, so nobody resumes it: killed after `published.json`, or before."""
    asked = {"output": str(tmp_path / "out"), "write_csv": True, "write_sidecars": True}
    world.fill(2)
    made = Plan.read(world.captioned("dead", **asked))
    publish(made.path)
    if not written:
        made.published_file.unlink()
    world.fill(1, start=2)
    waiting = world.captioned("waits", max_images=1)
    assert world.night("n2").counts.unchanged == 2
    assert "dead, run r1 was published and not reported" in caplog.text
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "000.jpg.txt",
        "001.jpg.txt",
        "captions-dead.csv",
        "captions-dead.jsonl",
    ]
    assert read_json(made.folder / "summary.json")["captioned"] == 2
    assert not Plan.read(waiting).published_file.exists()
    assert (world.home.store / "nights/latest").resolve() == world.folder("n2")


def test_a_night_that_cannot_be_reported_stops_no_other(world, tmp_path, caplog):
    world.fill(1)
    publish(world.captioned("dead", output=str(tmp_path / "out")))
    (tmp_path / "out").write_text("no folder")
    world.fill(1, start=2)
    assert world.night("n2").captioned == 1
    assert "dead, run r1 has no report and perhaps no outputs: cannot write" in caplog.text
