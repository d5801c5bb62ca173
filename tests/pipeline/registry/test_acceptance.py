"""How many of a version's captions people accepted."""

from datetime import UTC, datetime

import pytest
from scipy.stats import binomtest

from pipeline.registry.acceptance import Acceptance, Share, acceptance_of
from pipeline.storage.tables.reviews import CaptionReview, ReviewTable

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def reviews(count, decision, version="1", **values):
    start = f"{version}-{decision}-{values}"
    return [
        CaptionReview(f"/{start}/{number}", "captioner", version, "n1", decision, "ann", NOW, **values)
        for number in range(count)
    ]


@pytest.mark.parametrize(("accepted", "reviewed"), [(43, 50), (0, 7), (7, 7), (1, 1), (500, 1000)])
def test_the_interval_is_wilsons(accepted, reviewed):
    expected = binomtest(accepted, reviewed).proportion_ci(method="wilson")
    assert Share(accepted, reviewed).interval == pytest.approx((expected.low, expected.high), abs=1e-6)


def test_only_captions_of_audits_count_blind_and_open_apart(tmp_path):
    assert acceptance_of(tmp_path, "captioner", "1") is None
    blind, shown = {"audited": True, "blind": True}, {"audited": True}
    ReviewTable.of(tmp_path).append(
        [
            *reviews(20, "accepted", **blind),
            *reviews(5, "edited", **blind, distance=2),
            *reviews(23, "accepted", **shown),
            *reviews(1, "rejected", **shown),
            *reviews(1, "edited", **shown, distance=3),
            *reviews(9, "edited"),
            *reviews(3, "accepted", version="2", **shown),
        ]
    )
    said = acceptance_of(tmp_path, "captioner", "1")
    assert said == Acceptance(Share(20, 25), Share(23, 25), Share(6, 50), Share(1, 50), 3.0)
    assert str(said) == (
        "of 50 captions that people reviewed, 43 were accepted (74% to 93%), 6 edited by 3.0 words in the mean (6% to 24%) "
        "and 1 rejected (0% to 10%); accepted blind 20 of 25 (61% to 91%), open 23 of 25 (75% to 98%)"
    )
    assert (said.metrics()["reviews_accepted"], said.as_json()["accepted"]) == (0.86, 43)
    assert str(acceptance_of(tmp_path, "captioner", "2")).endswith("accepted open 3 of 3 (44% to 100%)")
    assert acceptance_of(tmp_path, "captioner", "9") is None
    assert Share(0, 0).interval == (0, 1)


def test_a_table_that_cannot_be_read_is_left_out_with_a_warning(tmp_path, caplog):
    ReviewTable.of(tmp_path).append(reviews(1, "accepted", audited=True))
    for file in (tmp_path / "reviews").glob("*.parquet"):
        file.write_bytes(b"")
    assert acceptance_of(tmp_path, "captioner", "1") is None
    assert "nightcap tables repair" in caplog.text
