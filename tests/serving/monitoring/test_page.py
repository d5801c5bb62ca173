"""The part of the gallery page with a night's statistics."""

import pyarrow as pa
import pytest

from serving.monitoring.page import monitoring_view


def rows(*captions):
    return pa.table({"caption": pa.array(captions, pa.string())})


def test_the_page_shows_them_escaped(compared):
    compared.night(accept_drift=True)
    page = (compared.folder() / "gallery" / "index.html").read_text()
    assert "How this night compares" in page
    assert "Unlike the model" in page, "all its images are dark"
    assert "&lt;b&gt;image&lt;/b&gt;" in page
    assert "<b>image</b>" not in page


def test_charts_and_drifts(compared, plan_of_night):
    compared.night(accept_drift=True)
    view = monitoring_view(plan_of_night(compared), rows("a dog", "a cat", "a dog"))
    assert (view.top_caption, view.verdict) == ("a dog", "far")
    assert [chart.title for chart in view.charts] == ["Words a caption", "Score", "Confidence"]
    assert all(max(bar.height for bar in chart.bars) == 1 for chart in view.charts)
    assert all(chart.low < chart.spread.p50 < chart.high for chart in view.charts)
    assert {row.title for row in view.drifts} == {"Words a caption", "Brightness of features"}
    level = next(row for row in view.drifts if row.title == "Brightness of features")
    assert sum(bar.height for bar in level.bars) == pytest.approx(
        1 / max(level.drift.reference + level.drift.night), 0.01
    )


def test_a_model_without_a_reference_has_an_unknown_verdict(world, plan_of_night):
    world.fill(2)
    world.night()
    view = monitoring_view(plan_of_night(world), rows())
    assert (view.verdict, view.drifts, view.top_caption) == ("unknown", [], None)


def test_a_run_without_statistics_has_no_view(world, plan_of_night):
    world.night()
    assert monitoring_view(plan_of_night(world), rows()) is None
