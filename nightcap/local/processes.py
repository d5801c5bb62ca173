"""Child processes in sessions of their own, so that all of them end with this process."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import psutil

from pipeline.core.errors import Retryable

GRACE_S = 4.0
KILL_S = 5.0


class Service:
    """A command that runs until it is stopped, its output in the file `log`."""

    def __init__(self, name: str, command: Sequence[str], env: Mapping[str, str], log: Path) -> None:
        self.name, self.log = name, log
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                list(command),
                env=dict(env),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def check(self) -> None:
        """Raise Retryable with the last line of its log if it ended by itself."""
        code = self._process.poll()
        if code is not None:
            raise Retryable(f"{self.name} ended with {code}; the last line of {self.log}: {_last_line(self.log)}")

    def stop(self) -> None:
        """End its whole session: SIGTERM to its group, SIGKILL outside the group, and to all after `GRACE_S`."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGTERM)
        # Only Airflow's tasks leave the group. They ignore SIGTERM, and a killed stage resumes.
        _send(signal.SIGKILL, [pid for pid in self._living() if _id_of(os.getpgid, pid) != self._process.pid])
        self._wait(GRACE_S)
        _send(signal.SIGKILL, self._living())
        self._wait(KILL_S)

    def _wait(self, limit_s: float) -> None:
        deadline = time.monotonic() + limit_s
        while self._living() and time.monotonic() < deadline:
            time.sleep(0.1)

    def _living(self) -> list[int]:
        processes = psutil.process_iter(["status"])
        living = [process.pid for process in processes if process.info["status"] != psutil.STATUS_ZOMBIE]
        others = [pid for pid in living if _id_of(os.getsid, pid) == self._process.pid != pid]
        # The leader is polled: it looks like a zombie while only its other threads live, and is one until it is reaped.
        return others if self._process.poll() is not None else [self._process.pid, *others]


def stop_services(services: Sequence[Service]) -> None:
    """Stop services one by one, the last started first, while the others it relies on still answer."""
    for service in reversed(services):
        service.stop()


def free_port(wanted: int) -> int:
    """The wanted port of the loopback, or the next free one."""
    for port in range(wanted, wanted + 200):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise Retryable(f"no port from {wanted} to {wanted + 199} is free on 127.0.0.1; stop a service that uses one")


def _id_of(lookup: Callable[[int], int], pid: int) -> int | None:
    with suppress(OSError):
        return lookup(pid)
    return None


def _send(number: int, pids: Sequence[int]) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def _last_line(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return lines[-1][:300] if lines else "(empty)"
