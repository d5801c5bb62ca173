"""Services and what becomes of their processes."""

import os
import socket
import sys
import time

import psutil
import pytest

from nightcap.local import processes
from nightcap.local.processes import Service, free_port, stop_services
from pipeline.core.errors import Retryable
from tests.until import until

STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True); time.sleep(600)"
)
# Like Airflow's tasks: in a group of its own, deaf to SIGTERM.
STRAYING = f"import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', {STUBBORN!r}], process_group=0); time.sleep(600)"

# Its first thread ends, so that it looks like a zombie; the other goes on.
HEADLESS = (
    "import ctypes, signal, threading, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
    "threading.Thread(target=time.sleep, args=[600]).start(); print('ready', flush=True); "
    "ctypes.CDLL(None).pthread_exit(None)"
)


@pytest.fixture
def start(tmp_path):
    started = []

    def start(code, name="service"):
        started.append(Service(name, [sys.executable, "-c", code], os.environ, tmp_path / f"{name}.log"))
        return started[-1]

    yield start
    stop_services(started)


@pytest.fixture
def ours():
    """The processes that this test started."""
    before = set(psutil.Process().children(recursive=True))
    return lambda: set(psutil.Process().children(recursive=True)) - before


def is_at_work(process):
    """Whether it lives; one that nobody has reaped yet does not."""
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


def says_ready(service):
    return lambda: "ready" in service.log.read_text()


def test_a_service_ends_with_what_left_its_group(start, ours):
    service = start(STRAYING)
    until(says_ready(service), 20, "the service was not ready", pause=0.05)
    family = ours()
    assert len(family) == 2
    started = time.monotonic()
    service.stop()
    assert [process for process in family if is_at_work(process)] == []
    assert time.monotonic() - started < processes.GRACE_S


def test_one_that_does_not_listen_is_killed(start, ours, monkeypatch):
    monkeypatch.setattr(processes, "GRACE_S", 0.3)
    service = start(STUBBORN)
    until(says_ready(service), 20, "the service was not ready", pause=0.05)
    family = ours()
    service.stop()
    assert [process for process in family if is_at_work(process)] == []


def test_one_that_looks_like_a_zombie_is_killed(start, ours, monkeypatch):
    monkeypatch.setattr(processes, "GRACE_S", 0.3)
    service = start(HEADLESS)
    (process,) = ours()
    until(lambda: process.status() == psutil.STATUS_ZOMBIE, 20, "the service was not ready", pause=0.05)
    service.stop()
    assert not process.is_running()


def test_services_end_one_by_one_the_last_first(start, tmp_path):
    note = "import signal, sys, time; signal.signal(signal.SIGTERM, lambda *_: (time.sleep(0.2), {end}, sys.exit())); print('ready', flush=True); time.sleep(600)"
    order = tmp_path / "order"
    services = [start(note.format(end=f"open({str(order)!r}, 'a').write('{name} ')"), name) for name in "abc"]
    for service in services:
        until(says_ready(service), 20, "the service was not ready", pause=0.05)
    stop_services(services)
    assert order.read_text() == "c b a "


def test_stopping_twice_is_no_error(start):
    service = start("")
    service.stop()
    service.stop()


def test_a_service_that_ended_is_told_with_its_last_words(start):
    service = start("print('the port is taken'); raise SystemExit(3)", name="api")
    with pytest.raises(Retryable, match=r"api ended with 3; the last line of .*api\.log: the port is taken"):
        until(service.check, 20, "the service was not ready", pause=0.05)


def test_a_service_at_work_passes_the_check(start):
    assert start(STUBBORN).check() is None


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0"])
def test_a_taken_port_is_passed_over(address):
    with socket.socket() as taken:
        taken.bind((address, 0))
        taken.listen()
        port = taken.getsockname()[1]
        found = free_port(port)
    assert port < found < port + 200
    assert free_port(found) == found
