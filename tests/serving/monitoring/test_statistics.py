"""Statistics of a night from its parts."""

import re

import numpy as np
import pytest


@pytest.mark.parametrize("sizes", [{}, {"shard_size": 7, "part_size": 4}])
def test_statistics_are_the_same_however_the_night_is_cut(compared, statistics_of_night, sizes):
    compared.night(accept_drift=True, **sizes)
    measured = statistics_of_night(compared)
    assert (measured.captioned, measured.quarantined, measured.left, measured.reasons) == (24, 1, 0, {"empty": 1})
    scores = [row["score"] for row in compared.rows() if row["status"] == "captioned"]
    assert measured.spreads["score"].mean == pytest.approx(np.mean(scores), abs=1e-5)
    assert measured.spreads["score"].p50 == pytest.approx(np.median(scores), abs=0.1)
    assert measured.spreads["confidence"].mean == 0.5
    assert sum(measured.spreads["words"].counts) == 24
    assert measured.distinct_captions == len({row["caption"] for row in compared.rows()} - {None})
    same = sum("same" in (row["caption"] or "") for row in compared.rows())
    assert measured.top_caption_share == pytest.approx(same / 24, abs=1e-6)
    assert set(measured.drifts) == {"level", "words"}, "the model gives no zeros"
    assert measured.images_per_second == pytest.approx(25 / measured.seconds, rel=0.02)


def test_numbers_of_images_stay_out_of_the_table(compared):
    compared.night(accept_drift=True)
    assert not [name for name in compared.rows()[0] if "watch" in name or name == "level"]


def test_statistics_hold_neither_captions_nor_names(compared):
    compared.night(accept_drift=True)
    text = (compared.folder() / "watch.json").read_text()
    assert not re.search(r"image of|as ever|\.jpg|inbox", text)
