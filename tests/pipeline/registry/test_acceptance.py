"""How many of a version's captions people accepted."""

from datetime import UTC, datetime

import pytest
from scipy.stats import binomtest

from pipeline.registry.acceptance import Share, acceptance_of, acceptances
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


def test_only_captions_of_audits_count_by_version_blind_and_open_apart(tmp_path):
    assert acceptances(tmp_path) == {}
    blind, shown = {"audited": True, "blind": True}, {"audited": True}
    ReviewTable.of(tmp_path).append(
        [
            *reviews(20, "accepted", **blind),
            *reviews(5, "edited", **blind),
            *reviews(23, "accepted", **shown),
            *reviews(2, "rejected", **shown),
            *reviews(9, "edited"),
            *reviews(3, "accepted", version="2", **shown),
        ]
    )
    found = acceptances(tmp_path)
    assert {version: (each.blind, each.open) for version, each in found.items()} == {
        ("captioner", "1"): (Share(20, 25), Share(23, 25)),
        ("captioner", "2"): (Share(0, 0), Share(3, 3)),
    }
    assert str(found["captioner", "1"]) == (
        "of 50 captions that people reviewed, 43 were accepted (74% to 93%); blind 20 of 25 (61% to 91%), "
        "open 23 of 25 (75% to 98%)"
    )
    assert acceptance_of(tmp_path, "captioner", "9") is None
    assert Share(0, 0).interval == (0, 1)
