"""Delivery to a Pushgateway and a webhook."""

from pathlib import Path

from pipeline.core.environment import Home
from serving.monitoring.delivery import Metric, Sample, push_samples, warn_undelivered
from tests.faults.listening import pushes


def home_of(listener):
    return Home(Path("/n"), Path("/n/store"), "", pushgateway=f"http://127.0.0.1:{listener.server_port}")


def test_samples_of_one_metric_share_a_gauge(listener):
    metrics = {"images": Metric("status", "Images."), "seconds": Metric("", "Seconds.")}
    samples = [Sample("images", 3, "captioned"), Sample("images", 1, "left"), Sample("seconds", 2.5)]
    push_samples(home_of(listener), "job", {"table": "t"}, metrics, samples, add=False)
    assert pushes(listener) == [{'images{status="captioned"}': 3, 'images{status="left"}': 1, "seconds": 2.5}]


def test_adding_keeps_other_gauges_of_the_group(listener):
    push_samples(home_of(listener), "job", {}, {"x": Metric("", "X.")}, [Sample("x", 1)], add=True)
    assert [method for method, _, _ in listener.heard] == ["POST"]


def test_an_error_is_a_warning_without_secrets(caplog):
    with warn_undelivered("the webhook", "an alert", {"WEBHOOK": "http://host/canary"}):
        raise OSError("http://host/canary and https://me:pw@host failed")
    assert [record.message for record in caplog.records] == [
        "the webhook did not receive an alert: *** and https://***@host failed"
    ]


def test_the_name_of_a_sample_has_its_label():
    assert (Sample("words", 1, "p05").name, Sample("published", 1).name) == ("words_p05", "published")
