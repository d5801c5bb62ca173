import pytest

from pipeline.evaluation.corruptions import KINDS
from pipeline.evaluation.inference import load_confidence
from pipeline.evaluation.robustness import robustness


def test_the_robustness_table_has_a_row_for_each_kind(scores, tiny_run):
    table = scores["robustness"]
    assert list(table["kinds"]) == sorted(["clean", *KINDS])
    assert table["images"] == len(tiny_run.accepted.images_of("test"))
    assert table["withhold_below"] == load_confidence(tiny_run).withhold_below
    assert all(0 <= row["withheld"] <= 1 for row in table["kinds"].values())
    assert [kind for kind, row in table["kinds"].items() if row["cider_d"] is None] == ["blank"]
    assert table["kinds"]["clean"]["cider_d"] == pytest.approx(tiny_run.scores()["scores"]["cider_d"])


def test_fewer_images_can_be_degraded(tiny_run, limited):
    table = robustness(limited(tiny_run, 2))
    assert table["images"] == 2
