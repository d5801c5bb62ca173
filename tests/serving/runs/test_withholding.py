"""What is withheld or quarantined because an image or a caption is not worth it."""

from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from benchmarks.odd_images import encoded, photograph
from pipeline.core.reasons import UNUSABLE, WITHHELD
from pipeline.model.interface import Caption
from serving.runs.settings import NightSettings
from serving.runs.withholding import why_withheld
from tests.serving.night_world import ColourCaptioner, image
from tests.serving.reporting.outputs.test_write import lines


@dataclass
class Calibrated(ColourCaptioner):
    """Is the surer the brighter the image, and better silent below a half."""

    withhold_below: float = 0.5

    def caption(self, pixels):
        means = pixels.mean(axis=(1, 2, 3)) / 255
        return [replace(each, confidence=float(m)) for each, m in zip(super().caption(pixels), means, strict=True)]


@pytest.fixture
def inbox(world):
    """A photograph, and blank images of which the model is sure or not."""
    world.captioner = Calibrated()
    world.put("photo.png", encoded(photograph(300, 200).point(lambda value: value * 0.7), "PNG"))
    world.put("white.png", image("white", kind="PNG", size=(64, 64)))
    world.put("grey.png", image((60, 60, 60), kind="PNG", size=(64, 64)))
    return world


def outcome(world, **settings):
    world.night(**settings)
    return {Path(row["image"]).stem: row["reason"] for row in world.rows()}


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"unusable": "record"}, {"photo": None, "white": None, "grey": None}),
        ({"unusable": "withhold"}, {"photo": None, "white": "unusable", "grey": "unusable"}),
        ({"unusable": "quarantine"}, {"photo": None, "white": "unusable", "grey": "unusable"}),
        ({"unusable": "record", "withhold_below": None}, {"photo": "withheld", "white": None, "grey": "withheld"}),
        ({"unusable": "record", "withhold_below": 2}, dict.fromkeys(("photo", "white", "grey"), "withheld")),
    ],
)
def test_what_each_setting_does(inbox, settings, expected):
    assert outcome(inbox, **settings) == expected
    published = {Path(row["image"]).stem for row in inbox.rows(current=True)}
    assert published == {name for name, reason in expected.items() if reason is None}


def test_a_row_tells_why(inbox):
    inbox.night(unusable="withhold")
    rows = {Path(row["image"]).stem: row for row in inbox.rows()}
    assert rows["photo"]["flags"] == []
    assert rows["photo"]["confidence"] == pytest.approx(0.35, abs=0.05)
    grey = rows["grey"]
    assert (grey["status"], grey["flags"], grey["caption"]) == ("quarantined", ["blank"], "an image of 60 60 60")
    assert grey["confidence"] == pytest.approx(60 / 255)


def test_a_refused_image_is_not_shown_to_the_model(inbox):
    inbox.night(unusable="quarantine")
    assert inbox.captioner.calls == [1]
    assert all(row["caption"] is None for row in inbox.rows() if row["reason"])


def test_outputs_do_not_tell_what_is_withheld(inbox):
    out = inbox.home.root / "out"
    inbox.night(unusable="withhold", output=str(out), write_sidecars=True, alternatives=2)
    found = {Path(line["image"]).stem: line for line in lines(out)}
    assert found["photo"]["caption"]
    assert (found["grey"]["caption"], found["grey"]["alternatives"], found["grey"]["reason"]) == (None, [], "unusable")
    assert [path.name for path in out.glob("*.txt")] == ["photo.png.txt"]
    page = (inbox.folder() / "gallery" / "index.html").read_text()
    assert "an image of 60 60 60" not in page
    assert "unusable" in page


def test_doubtful_captions_do_not_stop_a_night(inbox):
    for n in range(30):
        inbox.put(f"more{n}.png", image((n, n, n), kind="PNG"))
    assert inbox.night(unusable="record", withhold_below=2).reasons == {"withheld": 33}


def test_what_was_withheld_waits_for_a_replay(inbox):
    inbox.night(unusable="withhold")
    assert inbox.night("n2").counts.planned == 0
    again = inbox.night("n3", unusable="record", replay_reasons=("unusable",))
    assert again.captioned == 2
    assert len(inbox.rows(current=True)) == 3


def test_a_captioner_that_was_never_calibrated_is_believed():
    caption, captioner = Caption("a dog", -1.0), ColourCaptioner()
    assert why_withheld(caption, ("blank",), NightSettings(unusable="record"), captioner) is None
    assert why_withheld(caption, (), NightSettings(withhold_below=None), captioner) is None
    assert why_withheld(caption, ("blank",), NightSettings(), captioner) == UNUSABLE
    assert why_withheld(replace(caption, confidence=0.1), (), NightSettings(withhold_below=0.2), captioner) == WITHHELD
