"""Alarms of a night, and who accepted them."""

import pytest

from pipeline.core.errors import NightHeld
from pipeline.storage.files import read_json
from serving.monitoring.guard import Accepted, guard
from serving.runs.plan_file import Plan
from serving.runs.settings import NightSettings

COUNTS = {"captioned": 24, "quarantined": 1, "left": 0, "reasons": {"empty": 1}}


def guarded(world, accepted=None, counts=COUNTS, **settings):
    """The statistics that a run's guard wrote."""
    plan = Plan.read(world.captioned(**settings))
    guard(plan, counts, plan.part_files(0), accepted or Accepted())
    return read_json(plan.statistics_file)


def test_either_of_two_accepts():
    assert Accepted(quarantine=True) | Accepted(drift=True) == Accepted(True, True)
    assert Accepted.of(NightSettings(accept_drift=True)) == Accepted(drift=True)


def test_drift_holds_a_night_until_it_is_accepted(compared, caplog):
    with pytest.raises(NightHeld, match=r"unlike what the model was made for \(.*max_picture_drift.*--accept-drift"):
        guarded(compared)
    held = read_json(compared.folder() / "held.json")
    assert (held["night"], held["guards"]) == ("n1", ["drift"])
    assert held["message"] == Plan.read(compared.folder() / "plan" / "plan.json").hold_message
    assert set(guarded(compared, Accepted(drift=True))["alarms"]) == {"drift"}
    assert "made for" in caplog.text
    assert "; accepted" in caplog.text


def test_few_captions_raise_no_drift_alarm(compared):
    assert guarded(compared, drift_floor=25)["alarms"] == {}


@pytest.mark.parametrize(("withheld", "is_held"), [(0, True), (10, False)])
def test_withheld_captions_are_not_refused_images(compared, withheld, is_held):
    reasons = {"empty": 10} | ({"withheld": withheld} if withheld else {"truncated": 10})
    counts = COUNTS | {"captioned": 5, "quarantined": 20, "reasons": reasons}
    settings = {"quarantine_floor": 11, "max_quarantine_share": 0.1}
    if is_held:
        with pytest.raises(NightHeld, match=r"20 of 25 images are quarantined \(empty 10, truncated 10\)"):
            guarded(compared, Accepted(drift=True), counts, **settings)
    else:
        assert "quarantine" not in guarded(compared, Accepted(drift=True), counts, **settings)["alarms"]


def test_both_alarms_are_in_one_message(compared):
    counts = COUNTS | {"captioned": 20, "quarantined": 30, "reasons": {"empty": 30}}
    with pytest.raises(
        NightHeld, match=r"--accept-quarantine --accept-drift.*accept_quarantine=true and accept_drift=true"
    ):
        guarded(compared, counts=counts)
