"""A pool of decoder processes shared by threads; a dead one is replaced."""

from __future__ import annotations

import json
import logging
import queue
import select
import signal
import socket
import subprocess
import sys
from threading import Lock
from typing import Any

import numpy as np

from pipeline.core.confinement import hide
from pipeline.core.errors import BadImage, DecoderUnavailable
from pipeline.core.reasons import DECODE_REASONS, DECODER_CRASHED, DECODER_TIMEOUT
from pipeline.core.subprocesses import is_stopped, module_environment
from pipeline.imaging.decode import check_bytes
from pipeline.imaging.quality import FLAGS
from pipeline.imaging.sandbox import framing
from pipeline.imaging.sandbox.task import DecodedPixels, Work

log = logging.getLogger(__name__)

START_S = 60
STOP_S = 5
_TRIES = 2
_INTERRUPTIONS = 5
_INTERRUPTED = "interrupted"
_TICKS = 40  # in the patience for an image
_LONGEST_ANSWER = 10_000


class Decoders:
    """Processes that decode one image at a time each; they end with the context, and with this process.

    They import no more than Pillow and numpy, and are fresh programs rather than forks.
    """

    def __init__(self, work: Work, processes: int) -> None:
        """Start the first process; each other starts when all before it are busy.

        From now on this process is hidden from its children, which as the same user might read its environment.
        """
        hide()
        self.work, self.processes = work, processes
        self._last_tries = Lock()
        self._idle: queue.LifoQueue[_Decoder | None] = queue.LifoQueue()
        for _ in range(processes - 1):
            self._idle.put(None)
        self._idle.put(_Decoder(work))

    def __enter__(self) -> Decoders:
        return self

    def __exit__(self, *_: object) -> None:
        while not self._idle.empty():
            decoder = self._idle.get()
            if decoder:
                decoder.stop()

    def decode(self, data: bytes) -> DecodedPixels:
        """Decode, check and resize one image, as soon as a decoder is idle.

        Raises BadImage, also `decoder_timeout` or `decoder_crashed`, and DecoderUnavailable if none can be started.
        """
        check_bytes(len(data), self.work.limits)
        for _ in range(_TRIES):  # another cause may have killed the first
            result = self._try(data)
            if isinstance(result, DecodedPixels):
                return result
            if result == DECODER_TIMEOUT:
                raise BadImage(DECODER_TIMEOUT, f"decoding took more than {self.work.seconds_for(data):g} s of CPU")
        result = self._try_alone(data)  # memory that others took may have killed both
        if isinstance(result, DecodedPixels):
            return result
        raise BadImage(
            result, f"the decoder died of it {_TRIES + 1} times, the last time with no other image beside it"
        )

    def protections(self) -> tuple[str, ...]:
        """What the kernel keeps from a decoder: `FILE_ACCESS` and `NETWORK_ACCESS`; fewer where it is old."""
        decoder = self._idle.get() or _Decoder(self.work)
        try:
            decoder.wait_until_ready()
            return decoder.protections
        finally:
            self._idle.put(decoder)

    def _try_alone(self, data: bytes) -> DecodedPixels | str:
        """Try while every other decoder rests."""
        with self._last_tries:
            others = [self._idle.get() for _ in range(self.processes - 1)]
            try:
                return self._try(data)
            finally:
                for other in others:
                    self._idle.put(other)

    def _try(self, data: bytes) -> DecodedPixels | str:
        """The image, or the reason why the decoder died; time in which it could not run does not count."""
        for _ in range(_INTERRUPTIONS):
            result = self._try_once(data)
            if result != _INTERRUPTED:
                return result
        return DECODER_TIMEOUT

    def _try_once(self, data: bytes) -> DecodedPixels | str:
        decoder = self._idle.get()
        try:
            decoder = decoder or _Decoder(self.work)
            decoder.wait_until_ready()
            return decoder.decode(data)
        except OSError as error:
            assert decoder is not None
            reason = decoder.cause_of_death(error)
            log.warning("a decoder ended (%s): %s", reason, error)
            decoder = None
            return reason
        except DecoderUnavailable:
            decoder = None
            raise
        finally:
            self._idle.put(decoder)


class _Decoder:
    """One process and the connection to it."""

    def __init__(self, work: Work) -> None:
        self.work, self._is_ready, self._waited = work, False, 0
        self.protections: tuple[str, ...] = ()
        command = [sys.executable, "-P", "-m", "pipeline.imaging.sandbox.worker", work.to_json()]
        self._connection, remote = socket.socketpair()
        try:
            with remote:
                # One thread each for what numpy would start many for.
                environment = module_environment(OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1")
                self._process = subprocess.Popen(
                    command, stdin=remote.fileno(), stdout=subprocess.DEVNULL, env=environment, close_fds=True
                )
        except OSError as error:
            self._connection.close()
            raise DecoderUnavailable(f"no process for decoding images can be started: {error}") from error

    def wait_until_ready(self) -> None:
        """Wait until the process has started; raises DecoderUnavailable if it does not."""
        if self._is_ready:
            return
        self._connection.settimeout(START_S)
        try:
            ready = _answer(framing.receive(self._connection, _LONGEST_ANSWER))
        except OSError as error:
            self.stop()
            code = self._process.returncode
            raise DecoderUnavailable(
                f"a process for decoding images does not start (exit code {code}): {error}; its own output is above"
            ) from error
        self.protections, self._is_ready = tuple(ready["protections"]), True

    def decode(self, encoded: bytes) -> DecodedPixels:
        """One decoded image; raises OSError if the process died, and BadImage if it refuses the image."""
        patience_s = self.work.patience_for(encoded)
        self._connection.settimeout(patience_s + STOP_S)
        framing.send(self._connection, encoded)
        self._wait(patience_s)
        answer = _answer(framing.receive(self._connection, _LONGEST_ANSWER))
        data = framing.receive(self._connection, self.work.longest)
        try:
            if answer.get("reason") in DECODE_REASONS:
                raise BadImage(answer["reason"], str(answer.get("message")))
            width, height = map(_side, answer["size"])
            if not set(answer["flags"]) <= FLAGS.keys():
                raise ValueError("no such flags")
            shape = self.work.shape
            if shape is None:
                rows, columns = answer["shape"]
                shape = (rows, columns, 3)
            pixels = np.frombuffer(data, np.uint8).reshape(shape)
            return DecodedPixels(pixels, width, height, tuple(answer["flags"]))
        except (KeyError, TypeError, ValueError) as error:
            raise ConnectionError(f"it answers {str(answer)[:200]} and {len(data)} bytes") from error

    def _wait(self, patience_s: float) -> None:
        """Wait for an answer; seconds count only while this process and the decoder could run."""
        self._waited, tick_s = 0, patience_s / _TICKS
        answers = select.poll()  # `select.select` knows no descriptor above 1023
        answers.register(self._connection, select.POLLIN)
        while not answers.poll(1000 * tick_s):
            self._waited += not is_stopped(self._process.pid)
            if self._waited > _TICKS + STOP_S / tick_s:
                raise TimeoutError(f"no answer in {patience_s:g} s")

    def cause_of_death(self, error: OSError) -> str:
        """End the process; returns whether it timed out, was interrupted or crashed."""
        if isinstance(error, TimeoutError):
            self._process.kill()
        self.stop()
        code = self._process.returncode
        if code == -signal.SIGALRM and self._waited < _TICKS / 2:
            return _INTERRUPTED  # its clock went on while it was stopped
        is_killed = code in (-signal.SIGPROF, -signal.SIGALRM)
        return DECODER_TIMEOUT if is_killed or isinstance(error, TimeoutError) else DECODER_CRASHED

    def stop(self) -> None:
        """End the process, and wait for its end."""
        self._connection.close()
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def _side(value: object) -> int:
    """Pixels; raises ValueError where it is no such number."""
    if type(value) is int and 0 < value < 1 << 31:
        return value
    raise ValueError(f"{value!r} is no side")


def _answer(frame: bytearray) -> dict[str, Any]:
    try:
        return dict(json.loads(frame))
    except (RecursionError, TypeError, ValueError) as error:  # an image may have taken the decoder over
        raise ConnectionError(f"it answers {bytes(frame[:200])!r}") from error
