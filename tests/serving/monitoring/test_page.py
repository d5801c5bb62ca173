"""The part of the gallery page with a night's statistics."""

import numpy as np
import pytest

from pipeline.model.reference_profile import Distribution
from serving.monitoring.page import ConfidenceScale, monitoring_view


def text_of(world):
    return (world.folder() / "gallery" / "index.html").read_text()


def test_the_page_shows_them_escaped(compared):
    compared.night(accept_drift=True)
    page = (compared.folder() / "gallery" / "index.html").read_text()
    assert "How this night compares" in page
    assert "Unlike the model" in page, "all its images are dark"
    assert "&lt;b&gt;image&lt;/b&gt;" in page
    assert "<b>image</b>" not in page


def test_charts_and_drifts(compared, plan_of_night):
    compared.night(accept_drift=True)
    view = monitoring_view(plan_of_night(compared), "a dog", 0.0)
    assert (view.top_caption, view.verdict) == ("a dog", "far")
    assert [chart.title for chart in view.charts] == ["Words a caption", "Score", "Confidence"]
    assert all(max(bar.height for bar in chart.bars) == 1 for chart in view.charts)
    assert all(chart.low < chart.median < chart.high for chart in view.charts)
    assert [chart.unit for chart in view.charts] == ["words", "log-probability a word", "CIDEr-D, times 100"]
    assert view.charts[2].low <= 50 <= view.charts[2].high
    assert {row.title for row in view.drifts} == {"Words a caption", "Brightness of features"}
    level = next(row for row in view.drifts if row.title == "Brightness of features")
    assert sum(bar.height for bar in level.bars) == pytest.approx(
        1 / max(level.drift.reference + level.drift.night), 0.01
    )


def test_below_the_floor_a_night_is_too_small_to_tell(compared):
    compared.night(drift_floor=25)  # it has 24 captions, and they are far off
    page = text_of(compared)
    assert "Too few to tell" in page
    assert "from 25 captions on; this night has 24" in page
    assert "the model&rsquo;s images" not in page
    assert "too far" not in page


def test_images_beyond_the_reference_and_unsure_captions_are_warned_of(compared, plan_of_night):
    compared.captioner.reference = {
        "level": Distribution.of(np.arange(100.0, 256.0)),  # every image of the night is darker
        "confidence": Distribution.of(np.linspace(0.6, 2.0, 100)),
    }
    compared.night(drift_floor=99)
    page = text_of(compared)
    assert "All images are unlike" in page
    assert "100% of the captions have less confidence" in page
    assert 'class="bad" title="CIDEr-D to expect, times 100' in page
    assert "unsure 50.0" in page
    assert [monitoring_view(plan_of_night(compared), None, share).unsure for share in (0.1, 0.9)] == [0, 0.9]


def test_captions_that_all_differ_have_no_most_frequent_one(world):
    world.fill(3)
    world.night()
    assert "all captions are different" in text_of(world)
    assert "most frequent" not in text_of(world)


@pytest.mark.parametrize(("confidence", "share", "unsure"), [(0.0, 0.0, True), (0.5, 0.25, False), (9.0, 1.0, False)])
def test_a_bar_is_a_share_of_the_confidence_that_fills_it(confidence, share, unsure):
    scale = ConfidenceScale(full=2.0, low=0.3)
    assert (scale.share(confidence), scale.is_unsure(confidence)) == (share, unsure)
    assert not ConfidenceScale(2.0, None).is_unsure(confidence)


def test_a_model_without_a_reference_has_an_unknown_verdict(world, plan_of_night):
    world.fill(2)
    world.night()
    view = monitoring_view(plan_of_night(world), None, 0.0)
    assert (view.verdict, view.drifts, view.top_caption) == ("unknown", [], None)


def test_a_run_without_statistics_has_no_view(world, plan_of_night):
    world.night()
    assert monitoring_view(plan_of_night(world), None, 0.0) is None
