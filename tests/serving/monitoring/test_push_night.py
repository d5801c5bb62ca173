"""A night's metrics at a Pushgateway."""

import pytest

from pipeline.core.errors import NightHeld
from serving.monitoring.push_night import push_night
from tests.faults.listening import pushes


def spoil(world, count):
    for number in range(count):
        world.put(f"bad{number:03d}.jpg", b"<html>")


def test_what_the_pushgateway_hears(connected, listener):
    connected.fill(30)
    spoil(connected, 20)
    with pytest.raises(NightHeld):
        connected.night()
    connected.night(accept_quarantine=True)
    series = pushes(listener)[-1]
    assert series['nightcap_night_images{status="captioned"}'] == 30
    assert series['nightcap_night_quarantined_images{reason="not_an_image"}'] == 20
    assert series['nightcap_night_alarm{guard="quarantine"}'] == 1
    assert series["nightcap_night_images_per_second"] > 0
    assert series['nightcap_night_words{statistic="mean"}'] == 6


def test_a_state_is_pushed_once(connected, listener, plan_of_night):
    connected.fill(2)
    connected.night()
    for published in (True, False, False):
        push_night(plan_of_night(connected), connected.home, published)
    assert [push["nightcap_night_published"] for push in pushes(listener)] == [1, 0]
    assert {path for _, path, _ in listener.heard} == {listener.heard[0][1]}


def test_a_run_without_statistics_pushes_nothing(connected, listener, plan_of_night):
    connected.night()
    push_night(plan_of_night(connected), connected.home, published=True)
    assert pushes(listener) == []
    assert not list(connected.folder().glob("told-*"))
