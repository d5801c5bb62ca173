"""An external captioner's process: started without our code and secrets, asked within limits, ended with all it started."""

from __future__ import annotations

import json
import logging
import os
import shutil
import socket
import subprocess
import tempfile
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, Any
from uuid import uuid4

import psutil

from pipeline.core.confinement import hide
from pipeline.core.environment import ExternalLimits
from pipeline.core.errors import BadInput, SettingsError
from pipeline.core.reasons import CAPTIONER_FAILED
from pipeline.core.subprocesses import child_environment

log = logging.getLogger(__name__)

CHILD = Path(__file__).with_name("child.py")
MARK = "NIGHTCAP_EXTERNAL_MARK"
MAX_ANSWER = 1 << 20
TAIL = 4000
ROUNDS = 5
SETTLE_S = 5.0


class ExternalProcess:
    """A loaded external captioner. It ends when it fails, when nobody holds it any more, and with this process."""

    def __init__(self, folder: Path, limits: ExternalLimits) -> None:
        """Start it and wait until it has loaded the MLflow model in a folder; raises as `ask`, or SettingsError."""
        self._limits, mark = limits, uuid4().hex
        scratch = tempfile.mkdtemp(prefix="nightcap-foreign-")
        hide()  # it runs as the same user, which may else read our environment
        self._socket, remote = socket.socketpair()
        with remote:
            process = _start(folder, limits, remote, _environment(scratch, mark))
        self._process, self._stderr = process, _Tail(process.stderr)
        self._end = weakref.finalize(self, _end, os.getpid(), process, self._socket, mark, scratch)
        self._answer(b"", limits.load_s)

    def ask(self, images: list[bytes]) -> Any:
        """Its answers, unchecked; raises BadInput where it reports an error, or for good where it is slow or ends."""
        head = json.dumps([len(each) for each in images]).encode()
        message = self._answer(b"\n".join([head, b"".join(images)]), self._limits.batch_s)
        if "answers" not in message:
            raise BadInput(CAPTIONER_FAILED, f"it says {_clean(str(message.get('error')))}")
        return message["answers"]

    @property
    def alive(self) -> bool:
        """Whether it may be asked."""
        return self._end.alive

    def end(self) -> None:
        """Kill it and all that it started; once is enough."""
        self._end()

    def _answer(self, request: bytes, limit_s: int) -> dict[str, Any]:
        deadline = time.monotonic() + limit_s
        try:
            self._socket.settimeout(limit_s)
            self._socket.sendall(request)
            message = json.loads(self._line(deadline))
            if isinstance(message, dict):
                return message
            problem = "it does not keep to the protocol"
        except TimeoutError:
            problem = f"it took longer than {limit_s} s"
        except (OSError, EOFError):
            problem = self._settled()
        except (ValueError, RecursionError) as error:
            problem = f"its answer cannot be read ({_clean(str(error))[:100]})"
        self.end()
        last = _clean(self._stderr.last_line())[:300]
        problem = problem or f"it ended with {self._process.returncode}"
        raise BadInput(CAPTIONER_FAILED, problem + (f"; its last words: {last}" if last else ""))

    def _line(self, deadline: float) -> bytes:
        line = bytearray()
        while not line.endswith(b"\n"):
            self._socket.settimeout(max(deadline - time.monotonic(), 1e-3))
            piece = self._socket.recv(1 << 16)
            line += piece
            if not piece:
                raise EOFError
            if len(line) > MAX_ANSWER:
                raise ValueError(f"longer than {MAX_ANSWER} bytes")
        return bytes(line)

    def _settled(self) -> str:
        """Wait a little for its end, so that its own exit status is reported, not that of our signal."""
        deadline = time.monotonic() + SETTLE_S
        while time.monotonic() < deadline:
            if psutil.Process(self._process.pid).status() == psutil.STATUS_ZOMBIE:
                return ""
            time.sleep(0.02)
        return "it answers no more"


class _Tail:
    """The end of what a process writes, read so that it never waits for us."""

    def __init__(self, stream: IO[bytes] | None) -> None:
        assert stream is not None
        self._kept = b""
        self._thread = threading.Thread(target=self._read, args=(stream,), daemon=True, name="foreign-stderr")
        self._thread.start()

    def _read(self, stream: IO[bytes]) -> None:
        with stream:
            while piece := os.read(stream.fileno(), 1 << 16):
                self._kept = (self._kept + piece)[-TAIL:]

    def last_line(self) -> str:
        """What it wrote last, once the process has ended."""
        self._thread.join(1)
        lines = self._kept.decode("utf-8", "replace").split("\n")
        return next((line for line in reversed(lines) if line.strip()), "")


def _start(
    folder: Path, limits: ExternalLimits, remote: socket.socket, environment: dict[str, str]
) -> subprocess.Popen[bytes]:
    # Isolated, so none of our code is imported; and without .pyc, or its files would not be those of its digest any more.
    command = [limits.python, "-I", "-B", str(CHILD), str(folder), str(limits.memory_mb << 20)]
    try:
        return subprocess.Popen(
            command,
            stdin=remote.fileno(),
            stdout=remote.fileno(),
            stderr=subprocess.PIPE,
            cwd=environment["HOME"],
            env=environment,
            start_new_session=True,
        )
    except OSError as error:
        shutil.rmtree(environment["HOME"], ignore_errors=True)
        raise SettingsError(
            f"NIGHTCAP_EXTERNAL_PYTHON {limits.python!r} cannot be started ({error.strerror}); name a Python that has "
            f"mlflow, pandas and what the captioner needs"
        ) from error


def _environment(scratch: str, mark: str) -> dict[str, str]:
    return child_environment(
        PATH=os.defpath,
        HOME=scratch,
        TMPDIR=scratch,
        MLFLOW_DISABLE_TELEMETRY="true",
        MLFLOW_LOGGING_LEVEL="ERROR",
    ) | {MARK: mark}


def _end(owner: int, process: subprocess.Popen[bytes], local: socket.socket, mark: str, scratch: str) -> None:
    """Kill a process and all that it started, as far as they carry its session or its mark."""
    if os.getpid() != owner:  # a fork of us, to which it does not belong
        return
    local.close()
    for _ in range(ROUNDS):
        family = list(_family(process.pid, mark))
        for each in family:
            with suppress(psutil.Error):
                each.kill()
        if not family:
            break
        time.sleep(0.05)
    # Only now may its number be given to another process.
    with suppress(subprocess.TimeoutExpired):
        process.wait(10)
    shutil.rmtree(scratch, ignore_errors=True)


def _family(session: int, mark: str) -> Iterator[psutil.Process]:
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.status() == psutil.STATUS_ZOMBIE:
                continue
            if os.getsid(process.pid) == session or process.environ().get(MARK) == mark:
                yield process


def _clean(text: str) -> str:
    """A line that may go to a log, whoever wrote it."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())
