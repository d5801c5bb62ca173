"""Metrics to a Pushgateway and alerts to a webhook; whatever goes undelivered is a warning."""

from __future__ import annotations

import json
import logging
import os
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any, Final, NamedTuple

from pipeline.core.environment import Home
from pipeline.core.redaction import scrubbed

log = logging.getLogger(__name__)

_TIMEOUT_S: Final = 10.0


class Metric(NamedTuple):
    """A gauge: the label that tells its values apart, empty for a single value, and its meaning with the unit."""

    label: str
    meaning: str


class Sample(NamedTuple):
    """One value of a metric, and the value of the metric's label, if it has one."""

    metric: str
    value: float
    label: str = ""

    @property
    def name(self) -> str:
        """With its label, as MLflow has it."""
        return f"{self.metric}_{self.label}" if self.label else self.metric


@contextmanager
def warn_undelivered(receiver: str, content: str, secrets: Mapping[str, str] | None = None) -> Iterator[None]:
    """Turn any error into a warning without secrets: the night or run matters more than its delivery.

    `secrets` are values to hide beside those of the environment, under names that are called secret.
    """
    try:
        yield
    except Exception as error:
        log.warning("%s did not receive %s: %s", receiver, content, scrubbed(error, os.environ | dict(secrets or {})))


def pushgateway_login(home: Home) -> Callable[..., Any]:
    """The handler by which Prometheus' client logs in at the Pushgateway, where a password is set."""
    from prometheus_client.exposition import basic_auth_handler

    return partial(basic_auth_handler, username="nightcap", password=home.pushgateway_password or None)


def push_samples(
    home: Home, job: str, group: Mapping[str, str], metrics: Mapping[str, Metric], samples: Iterable[Sample], add: bool
) -> None:
    """Push gauges of a group, whose labels are `job` and `group`; `add` keeps the group's gauges of other names."""
    from prometheus_client import CollectorRegistry, Gauge, push_to_gateway, pushadd_to_gateway

    registry = CollectorRegistry()
    gauges: dict[str, Gauge] = {}
    for name, value, label in samples:
        if name not in gauges:
            metric = metrics[name]
            gauges[name] = Gauge(name, metric.meaning, [metric.label] if metric.label else [], registry=registry)
        (gauges[name].labels(label) if label else gauges[name]).set(value)
    push = pushadd_to_gateway if add else push_to_gateway
    push(home.pushgateway, job, registry, dict(group), _TIMEOUT_S, pushgateway_login(home))


def post_json(url: str, body: Mapping[str, str]) -> None:
    """POST a JSON object to a webhook."""
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(url, json.dumps(body).encode(), headers, method="POST")  # noqa: S310
    urllib.request.urlopen(request, timeout=_TIMEOUT_S).close()  # noqa: S310
