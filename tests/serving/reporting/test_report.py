"""The summary and the gallery page."""

from pipeline.storage.files import read_json
from serving.reporting.report import report


def test_the_latest_night_is_linked(world):
    world.fill(1)
    world.night()
    world.fill(1, start=50)
    world.night("n2")
    latest = world.home.store / "nights" / "latest"
    assert latest.readlink().parts == ("n2", "r1")
    assert read_json(latest / "summary.json")["night"] == "n2"


def test_a_report_made_again_keeps_the_gallery(world):
    world.fill(1)
    world.night()
    page = world.folder() / "gallery" / "index.html"
    before = page.stat().st_mtime_ns
    summary = report(world.folder() / "plan" / "plan.json")
    assert page.stat().st_mtime_ns == before
    assert summary.to_json()["night"] == "n1"
