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
from pipeline.core.errors import ModelNotFound, NightcapError, RegistryUnavailable
from pipeline.model.model_uri import ModelUri
from pipeline.registry.journal import Entry, Journal
from pipeline.registry.versions import Registry

_MODEL: Final = "captioner"
INSTALLATION_METRICS: Final = {
    "nightcap_registry_up": "1 if MLflow answers whether it has the champion, else 0; a refusal is no answer.",
    "nightcap_champion": "1 if the journal names a champion and MLflow has it, else 0; absent while that cannot be known.",
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
        entry, is_known = self._champion()
        is_there = self._has(entry)
        yield _gauge("nightcap_registry_up", is_there is not None)
        if entry is not None:
            yield _gauge("nightcap_champion", is_there is not False)  # while MLflow is down, the journal counts
        elif is_known and is_there is not None:
            yield _gauge("nightcap_champion", False)
        for name, place in (("size", 0), ("free", 2)):
            metric = f"nightcap_disk_{name}_bytes"
            family = GaugeMetricFamily(metric, INSTALLATION_METRICS[metric], labels=["folder"])
            for folder in self._folders():
                family.add_metric([str(folder)], shutil.disk_usage(folder)[place])
            yield family

    def _champion(self) -> tuple[Entry | None, bool]:
        """The entry of the journal that names the champion, if any, and whether the journal answers."""
        try:
            return Journal.of(self._home).current(_MODEL), True
        except NightcapError:
            return None, False

    def _has(self, entry: Entry | None) -> bool | None:
        """Whether the registry has the entry's version and bytes; None if it does not answer.

        `/health` would answer without database or login.
        """
        try:
            found = Registry(self._home).version(str(ModelUri(_MODEL, entry.target if entry else "1")))
        except ModelNotFound:
            return False
        except RegistryUnavailable:
            return None
        return entry is not None and found.holds(entry.digest)

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
