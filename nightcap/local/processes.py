"""Child processes in sessions of their own, so that all of them end with us."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import psutil

from pipeline.core.errors import Retryable

GRACE_S = 4.0
KILL_S = 5.0


class Service:
    """A command that runs until it is stopped, its output in a file.

    Attributes:
        name: what people call it.
        log: the file of its output.
    """

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
        """Raise if it ended by itself.

        Raises:
            Retryable: with the last line of its log.
        """
        code = self._process.poll()
        if code is not None:
            raise Retryable(f"{self.name} ended with {code}; the last line of {self.log}: {_last_line(self.log)}")

    def stop(self) -> None:
        """End its whole session: ask its group, kill who left the group, and after `GRACE_S` all that still live."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGTERM)
        # Only Airflow's tasks leave the group. They take no notice of SIGTERM, and a killed stage is taken up again.
        _send(signal.SIGKILL, [pid for pid in self._living() if _group(pid) != self._process.pid])
        self._wait(GRACE_S)
        _send(signal.SIGKILL, self._living())
        self._wait(KILL_S)

    def _wait(self, limit_s: float) -> None:
        deadline = time.monotonic() + limit_s
        while self._living() and time.monotonic() < deadline:
            time.sleep(0.1)

    def _living(self) -> list[int]:
        found = psutil.process_iter(["status"])
        living = [process.pid for process in found if process.info["status"] != psutil.STATUS_ZOMBIE]
        others = [pid for pid in living if _session(pid) == self._process.pid != pid]
        # The first itself is asked: it looks like a zombie while only its other threads live, and is one until it is reaped.
        return others if self._process.poll() is not None else [self._process.pid, *others]


def stop(services: Sequence[Service]) -> None:
    """Stop services one by one, the last started first: until then, what it relies on still answers."""
    for service in reversed(services):
        service.stop()


def free_port(wanted: int) -> int:
    """The wanted port of the loopback, or the next one that nobody listens on."""
    for port in range(wanted, wanted + 200):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise Retryable(f"no free port between {wanted} and {wanted + 200} on 127.0.0.1; stop what listens there")


def _session(pid: int) -> int | None:
    with suppress(OSError):
        return os.getsid(pid)
    return None


def _group(pid: int) -> int | None:
    with suppress(OSError):
        return os.getpgid(pid)
    return None


def _send(number: int, pids: Sequence[int]) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def _last_line(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return lines[-1][:300] if lines else "(empty)"
