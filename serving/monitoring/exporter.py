"""Metrics of the installation that no run pushes: the registry, the champion and the disks."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import GaugeMetricFamily

from pipeline.core.environment import Home
from pipeline.core.errors import NightcapError, RegistryUnavailable
from pipeline.registry.journal import Journal
from pipeline.registry.versions import CHAMPION, Registry

_MODEL: Final = "captioner"
INSTALLATION_METRICS: Final = {
    "nightcap_registry_up": "1 if MLflow answers which version is champion, else 0; a refusal is no answer.",
    "nightcap_champion": "1 if a version is champion, else 0; absent while that cannot be known.",
    "nightcap_disk_size_bytes": "Bytes of the file system that a folder lies on.",
    "nightcap_disk_free_bytes": "Bytes of it that are free.",
}


class Installation:
    """A collector that measures the installation whenever Prometheus asks."""

    def __init__(self, home: Home) -> None:
        """Measure nothing yet."""
        self._home = home

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Measure now."""
        alias = self._alias()
        yield _gauge("nightcap_registry_up", alias is not None)
        champion = self._has_champion(alias)
        if champion is not None:
            yield _gauge("nightcap_champion", champion)
        for name, place in (("size", 0), ("free", 2)):
            metric = f"nightcap_disk_{name}_bytes"
            family = GaugeMetricFamily(metric, INSTALLATION_METRICS[metric], labels=["folder"])
            for folder in self._folders():
                family.add_metric([str(folder)], shutil.disk_usage(folder)[place])
            yield family

    def _alias(self) -> bool | None:
        """Whether the registry has the alias; None if it does not answer. `/health` would answer without database or login."""
        try:
            return Registry(self._home).aliased(_MODEL, CHAMPION) is not None
        except RegistryUnavailable:
            return None

    def _has_champion(self, alias: bool | None) -> bool | None:
        """By the journal, else by the alias; None where neither answers."""
        try:
            return Journal.of(self._home).current(_MODEL) is not None or alias
        except NightcapError:
            return None

    def _folders(self) -> list[Path]:
        folders = {self._home.root, self._home.store, self._home.captions.parent}
        return sorted(folder for folder in folders if folder.is_dir())


@contextmanager
def exporting(home: Home, host: str, port: int) -> Iterator[int]:
    """Serve the metrics in a thread until the block ends; yields the port."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Installation(home))
    server, thread = start_http_server(port, host, registry)
    try:
        yield int(server.server_port)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def export_until_stopped(home: Home, host: str, port: int) -> None:
    """Serve the metrics until the process ends; MLflow is asked once each time, so that Prometheus does not wait."""
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "5")
    with exporting(home, host, port):
        threading.Event().wait()


def _gauge(name: str, value: bool) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, INSTALLATION_METRICS[name], float(value))
