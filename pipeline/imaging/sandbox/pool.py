"""A few decoders that are shared by threads; one that dies is replaced."""

from __future__ import annotations

import json
import logging
import os
import queue
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

import pipeline
from pipeline.core.errors import BadImage, DecoderUnavailable
from pipeline.core.reasons import DECODE_REASONS, DECODER_CRASHED, DECODER_TIMEOUT
from pipeline.imaging.decode import check_bytes
from pipeline.imaging.sandbox import framing as wire
from pipeline.imaging.sandbox.task import DecodedPixels, Work

log = logging.getLogger(__name__)

START_S = 60
STOP_S = 5
_TRIES = 2
_LONGEST_FACTS = 10_000
_OUT_OF_TIME = (-signal.SIGPROF, -signal.SIGALRM)


class Decoders:
    """Processes that decode images one at a time each; a context that ends with them.

    They import no more than Pillow and numpy, are fresh programs rather than forks, and end with this process,
    however that ends.
    """

    def __init__(self, work: Work, processes: int) -> None:
        """Start the first; each other starts when all before it are busy."""
        self.work = work
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
        """Decode, judge and resize one image, as soon as a decoder is idle.

        Raises:
            BadImage: with one of the reasons of `pipeline.imaging.decode` or `pipeline.imaging.sandbox`.
            DecoderUnavailable: no decoder can be started.
        """
        check_bytes(len(data), self.work.limits)
        for _ in range(_TRIES):  # something else may have killed the first
            reason = self._try(data)
            if isinstance(reason, DecodedPixels):
                return reason
            if reason == DECODER_TIMEOUT:
                raise BadImage(DECODER_TIMEOUT, f"decoding took more than {self.work.seconds:g} s of CPU")
        raise BadImage(DECODER_CRASHED, f"the decoder died of it {_TRIES} times")

    def _try(self, data: bytes) -> DecodedPixels | str:
        """The image, or why there is no decoder any more."""
        decoder = self._idle.get()
        try:
            decoder = decoder or _Decoder(self.work)
            decoder.wait_until_ready()
            return decoder.decode(data)
        except OSError as error:
            assert decoder is not None
            reason = decoder.autopsy(error)
            log.warning("a decoder ended (%s): %s", reason, error)
            decoder = None
            return reason
        except DecoderUnavailable:
            decoder = None
            raise
        finally:
            self._idle.put(decoder)


class _Decoder:
    """One process and the line to it."""

    def __init__(self, work: Work) -> None:
        self.work, self._is_ready = work, False
        command = [sys.executable, "-P", "-m", "pipeline.imaging.sandbox.worker", work.to_json()]
        self._line, theirs = socket.socketpair()
        try:
            with theirs:
                self._process = subprocess.Popen(
                    command, stdin=theirs.fileno(), stdout=subprocess.DEVNULL, env=_environment(), close_fds=True
                )
        except OSError as error:
            self._line.close()
            raise DecoderUnavailable(f"no process for decoding images can be started: {error}") from error

    def wait_until_ready(self) -> None:
        """Wait until it has started.

        Raises:
            DecoderUnavailable: it does not.
        """
        if self._is_ready:
            return
        self._line.settimeout(START_S)
        try:
            wire.receive(self._line, _LONGEST_FACTS)
        except OSError as error:
            self.stop()
            code = self._process.returncode
            raise DecoderUnavailable(
                f"a process for decoding images does not start (exit code {code}): {error}; its own words are above"
            ) from error
        self._is_ready = True
        self._line.settimeout(self.work.patience_s + STOP_S)

    def decode(self, data: bytes) -> DecodedPixels:
        """What it makes of an image.

        Raises:
            OSError: it died, or gives no answer.
            BadImage: it refuses the image.
        """
        side = self.work.side
        wire.send(self._line, data)
        facts = _facts(wire.receive(self._line, _LONGEST_FACTS))
        pixels = wire.receive(self._line, side * side * 3)
        if "reason" in facts:
            raise BadImage(facts["reason"] if facts["reason"] in DECODE_REASONS else DECODER_CRASHED, facts["message"])
        try:
            width, height = facts["size"]
            return DecodedPixels(
                np.frombuffer(pixels, np.uint8).reshape(side, side, 3), width, height, tuple(facts["flags"])
            )
        except (KeyError, ValueError) as error:
            raise ConnectionError(f"it answers {str(facts)[:200]} and {len(pixels)} bytes") from error

    def autopsy(self, error: OSError) -> str:
        """End what is left of it, and tell whether time killed it."""
        if isinstance(error, TimeoutError):
            self._process.kill()
        self.stop()
        is_late = isinstance(error, TimeoutError) or self._process.returncode in _OUT_OF_TIME
        return DECODER_TIMEOUT if is_late else DECODER_CRASHED

    def stop(self) -> None:
        """End it, and wait until it has."""
        self._line.close()
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def _facts(frame: bytearray) -> dict[str, Any]:
    try:
        return dict(json.loads(frame))
    except (TypeError, ValueError) as error:  # an image may have taken the decoder over
        raise ConnectionError(f"it answers {bytes(frame[:200])!r}") from error


def _environment() -> dict[str, str]:
    """This process's, by which the same package is found; one thread each for what numpy would start many for."""
    path = os.pathsep.join(filter(None, [str(Path(pipeline.__file__).parents[1]), os.environ.get("PYTHONPATH")]))
    return os.environ | {"PYTHONPATH": path, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
