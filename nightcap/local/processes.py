"""Child processes in groups of their own, so that all of them end with us."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from pipeline.errors import Retryable

GRACE_S = 15.0


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

    def end(self) -> None:
        """Ask its whole group to end."""
        self._signal(signal.SIGTERM)

    def wait(self, deadline: float) -> None:
        """Wait for the group until a moment of `time.monotonic`, then kill what is left."""
        while self._lives() and time.monotonic() < deadline:
            time.sleep(0.1)
        self._signal(signal.SIGKILL)
        self._process.wait()

    def _lives(self) -> bool:
        self._process.poll()  # a child that ended stays in its group until it is reaped
        return self._signal(0)

    def _signal(self, number: int) -> bool:
        try:
            os.killpg(self._process.pid, number)
        except (ProcessLookupError, PermissionError):
            return False
        return True


def stop(services: Sequence[Service]) -> None:
    """End all services together, the last started first."""
    for service in reversed(services):
        service.end()
    deadline = time.monotonic() + GRACE_S
    for service in reversed(services):
        service.wait(deadline)


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


def _last_line(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return lines[-1][:300] if lines else "(empty)"
