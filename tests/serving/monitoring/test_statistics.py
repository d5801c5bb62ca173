"""Statistics of a night from its parts."""

import re
from pathlib import Path

import numpy as np
import pytest

from pipeline.core.redaction import scrubbed
from pipeline.model.interface import Caption
from pipeline.model.reference_profile import Distribution
from pipeline.storage.files import read_json
from serving.monitoring.metrics import NIGHT_METRICS, samples_of
from serving.monitoring.statistics import NightStatistics
from serving.runs.plan_file import Plan
from tests.serving.night_world import ColourCaptioner

SAME = "the same <b>image</b> as ever"
REFERENCE = Path(__file__).parents[3] / "docs" / "reference.md"


class Signed(ColourCaptioner):
    """Says the same of every second image, and knows how bright images usually are."""

    reference = {  # noqa: RUF012
        "level": Distribution.of(np.arange(0.0, 256.0)),
        "words": Distribution.of(np.full(40, 6.0)),
        "zeros": Distribution.of(np.arange(9.0)),
    }

    def caption(self, pixels):
        said = zip(super().caption(pixels), pixels, strict=True)
        return [
            Caption(each.text if place % 2 else SAME, each.score, (), 0.5, signs={"level": float(image.mean())})
            for place, (each, image) in enumerate(said)
        ]


@pytest.fixture
def watched(world):
    world.captioner = Signed()
    world.fill(24)
    world.put("bad.jpg", b"")
    return world


def statistics(world):
    return NightStatistics.model_validate(read_json(world.folder() / "watch.json"))


@pytest.mark.parametrize("sizes", [{}, {"shard_size": 7, "part_size": 4}])
def test_statistics_are_the_same_however_the_night_is_cut(watched, sizes):
    watched.night(accept_drift=True, **sizes)
    measured = statistics(watched)
    assert (measured.captioned, measured.quarantined, measured.left, measured.reasons) == (24, 1, 0, {"empty": 1})
    scores = [row["score"] for row in watched.rows() if row["status"] == "captioned"]
    assert measured.spreads["score"].mean == pytest.approx(np.mean(scores), abs=1e-5)
    assert measured.spreads["score"].p50 == pytest.approx(np.median(scores), abs=0.1)
    assert measured.spreads["confidence"].mean == 0.5
    assert sum(measured.spreads["words"].counts) == 24
    assert measured.distinct_captions == len({row["caption"] for row in watched.rows()} - {None})
    same = sum("same" in (row["caption"] or "") for row in watched.rows())
    assert measured.top_caption_share == pytest.approx(same / 24, abs=1e-6)
    assert set(measured.drifts) == {"level", "words"}, "the model gives no zeros"
    assert measured.images_per_second == pytest.approx(25 / measured.seconds, rel=0.02)


def test_numbers_of_images_stay_out_of_the_table(watched):
    watched.night(accept_drift=True)
    assert not [name for name in watched.rows()[0] if "watch" in name or name == "level"]


def test_statistics_hold_neither_captions_nor_names(watched):
    watched.night(accept_drift=True)
    text = (watched.folder() / "watch.json").read_text()
    assert not re.search(r"image of|as ever|\.jpg|inbox", text)


def test_every_metric_is_documented_and_given(watched):
    watched.night(accept_drift=True)
    plan = Plan.read(watched.folder() / "plan" / "plan.json")
    given = {sample.metric for sample in samples_of(plan, statistics(watched), watched.now, True)}
    assert given == set(NIGHT_METRICS)
    page = REFERENCE.read_text()
    assert all(f"`nightcap_night_{name}`" in page for name in NIGHT_METRICS)


def test_the_page_shows_them_escaped(watched):
    watched.night(accept_drift=True)
    page = (watched.folder() / "gallery" / "index.html").read_text()
    assert "How this night compares" in page
    assert "Unlike the model" in page, "all its images are dark"
    assert "&lt;b&gt;image&lt;/b&gt;" in page
    assert "<b>image</b>" not in page


def test_secrets_are_taken_out_of_a_text():
    environ = {"AWS_SECRET_ACCESS_KEY": "abcdefgh", "MY_TOKEN": "short", "HOME": "/home/me"}
    told = scrubbed("s3 abcdefgh at https://me:pw@host/x in /home/me, short", environ)
    assert told == "s3 *** at https://***@host/x in /home/me, short"
