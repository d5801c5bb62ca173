import json

import pytest

from pipeline.gate import judge


def test_the_first_version_is_promoted():
    verdict = judge(0.0, None)
    assert verdict.promote
    assert verdict.reason == "there is no champion yet"
    assert (verdict.challenger, verdict.champion) == (0.0, None)


def test_a_better_version_is_promoted_on_both_scores():
    verdict = judge(0.5001, 0.5)
    assert verdict.promote
    assert verdict.reason.startswith("better: ")
    assert "0.5001" in verdict.reason
    assert "0.5000" in verdict.reason


@pytest.mark.parametrize("challenger", [0.5, 0.4999, 0.0, float("nan")])
def test_an_equal_or_worse_version_is_not(challenger):
    verdict = judge(challenger, 0.5)
    assert not verdict.promote
    assert verdict.reason.startswith("not better: ")


def test_a_verdict_can_be_stored():
    stored = json.loads(json.dumps(judge(0.6, 0.5).as_json()))
    assert stored.pop("reason").startswith("better")
    assert stored == {"promote": True, "challenger": 0.6, "champion": 0.5}
