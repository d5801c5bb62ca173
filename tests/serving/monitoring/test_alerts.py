"""Alerts to a webhook."""

import re
from pathlib import Path

import pytest

from pipeline.core.errors import NightHeld, ObjectUnavailable, SettingsError
from pipeline.core.signals import Stopped
from serving.monitoring.alerts import (
    NIGHT_FAILED,
    NIGHT_HELD,
    NIGHT_LATE,
    TRAINING_FAILED,
    alert,
    alert_of_late_run,
    alert_of_run,
    alerting,
    home_to_alert,
)
from serving.publish import publish
from tests.faults.listening import alerts

CHECKOUT = Path(__file__).resolve().parents[3]
SECRET = "hunter2-canary"


def test_a_night_that_fails_otherwise_alerts_and_tells_no_secret(connected, listener, monkeypatch, caplog):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    with pytest.raises(ObjectUnavailable), alerting(connected.home, "n1"):
        raise ObjectUnavailable(f"https://me:{SECRET}@host/x failed with {SECRET}")
    (sent,) = alerts(listener)
    assert (sent["event"], sent["text"]) == ("night_failed", "https://***@host/x failed with ***")
    assert SECRET not in caplog.text


@pytest.mark.parametrize("event", [NIGHT_FAILED, NIGHT_HELD, NIGHT_LATE, TRAINING_FAILED])
def test_an_alert_leads_to_its_section_of_the_runbook(connected, listener, event):
    alert(connected.home, event, "something")
    (sent,) = alerts(listener)
    page, section = sent["runbook"].split("#")
    headings = re.findall(r"^## (\w+)$", (CHECKOUT / page).read_text(), re.MULTILINE)
    assert section == event.replace("_", "")
    assert section in [heading.lower() for heading in headings]


def test_22_11_a_settings_error_alerts_with_its_remedy(connected, listener):
    with pytest.raises(SettingsError), alerting(connected.home) as about:
        about["night"] = "n1"
        raise SettingsError("no such folder; name another")
    (sent,) = alerts(listener)
    assert (sent["event"], sent["night"], sent["text"]) == ("night_failed", "n1", "no such folder; name another")


def test_22_11_a_crash_alerts_and_tells_no_secret(connected, listener, monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    with pytest.raises(KeyError), alerting(connected.home, event=TRAINING_FAILED):
        raise KeyError(f"http://me:{SECRET}@host/{SECRET}")
    (sent,) = alerts(listener)
    assert sent["event"] == "training_failed"
    assert sent["text"].startswith("KeyError: ")
    assert SECRET not in str(sent)


@pytest.mark.parametrize("ended", [KeyboardInterrupt, Stopped])
def test_who_ends_a_night_by_hand_alerts_nobody(connected, listener, ended):
    with pytest.raises(ended), alerting(connected.home, "n1"):
        raise ended
    assert alerts(listener) == []


def test_the_webhook_is_known_though_another_variable_is_wrong(monkeypatch):
    monkeypatch.setenv("NIGHTCAP_WEBHOOK", "https://host/hook")
    monkeypatch.setenv("NIGHTCAP_STORE", "relative")
    assert home_to_alert().webhook == "https://host/hook"
    monkeypatch.setenv("NIGHTCAP_WEBHOOK", "no address")
    assert home_to_alert().webhook == ""


def test_without_a_webhook_nothing_is_sent(world, caplog):
    alert(world.home, NIGHT_FAILED, "something")
    assert caplog.records == []


def test_a_held_run_alerts_with_its_message_until_it_is_published(connected, listener):
    for number in range(20):
        connected.put(f"bad{number}.jpg", b"")
    path = connected.captioned("n1", "scheduled__1")
    with pytest.raises(NightHeld) as held:
        publish(path)
    alert_of_run(connected.home, "scheduled__1", "publish", "task_failure")
    publish(path, accept_quarantine=True)
    alert_of_run(connected.home, "scheduled__1", "report", None)
    alert_of_late_run(connected.home, "scheduled__2", "06:00")
    first, second, third = alerts(listener)
    assert (first["event"], first["night"], first["task"], first["text"]) == (
        "night_held",
        "n1",
        "publish",
        str(held.value),
    )
    assert (second["event"], "reason" in second) == ("night_failed", False)
    assert (third["event"], third["run"]) == ("night_late", "scheduled__2")
    assert "06:00" in third["text"]


def test_a_long_message_is_cut(connected, listener):
    alert(connected.home, NIGHT_FAILED, "x" * 5000)
    assert alerts(listener)[0]["text"] == "x" * 2000
