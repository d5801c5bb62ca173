import numpy as np
import pytest

from pipeline.release.gate.page import render_gate_page, spread_of_gains
from pipeline.release.gate.rules import Check, GateVerdict

VERSIONS = {"challenger": {"version": "2", "digest": "2" * 64}, "champion": {"version": "1", "digest": "1" * 64}}


def said(version, caption):
    return {"version": version, "caption": caption, "points": 50.0}


def test_images_of_gains_of_losses_and_between():
    gain = np.random.default_rng(0).permutation(100)
    chosen = [int(gain[place]) for place in spread_of_gains(gain, 24)]
    assert chosen == sorted(chosen, reverse=True)
    assert chosen[:8] == list(range(99, 91, -1))
    assert chosen[-8:] == list(range(7, -1, -1))
    assert len(set(chosen)) == 24


@pytest.mark.parametrize("count", [1, 3, 24])
def test_few_images_are_all_shown(count):
    assert sorted(spread_of_gains(np.arange(count), 24)) == list(range(count))


def test_captions_stand_side_by_side_and_escaped():
    row = {
        "image": "<b>.jpg",
        "thumbnail": "1.jpg",
        "references": ["<script>alert(1)</script>"],
        "gain": 10.0,
        "challenger": said("2", "a <i>dog</i>"),
        "champion": said("1", ""),
    }
    checks = [Check("cider_d", False, "not surely better: <x>")]
    page = render_gate_page(GateVerdict(False, "not surely better", 0.5, 0.4, VERSIONS, 12, checks=checks), [row])
    assert page.index("<h3>(nothing)") < page.index("<h3>a &lt;i&gt;dog")
    assert "is refused" in page
    assert "+10 points" in page
    for raw in ("<script>", "<i>dog", "<x>", "<b>.jpg"):
        assert raw not in page


def test_the_first_version_stands_alone():
    row = {"image": "1.jpg", "thumbnail": None, "references": [], "gain": 1.0, "challenger": said("1", "a dog")}
    versions = {"challenger": VERSIONS["champion"], "champion": None}
    page = render_gate_page(
        GateVerdict(True, "there is no champion yet", 0.5, None, versions, 12), [row | {"champion": None}]
    )
    assert "no champion yet" in page
    assert "may caption" in page
