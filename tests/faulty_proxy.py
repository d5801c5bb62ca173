"""A proxy that misbehaves between a client and a store, the same way for the same seed."""

from __future__ import annotations

import http.client
import random
import socket
import struct
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

BUSY = b"<?xml version='1.0'?><Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"
BROKEN = b"<?xml version='1.0'?><Error><Code>InternalError</Code><Message>We made an error.</Message></Error>"
HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding"}


@dataclass
class Faults:
    """Shares of the requests that meet a fault; whether one does follows from the seed and its number.

    Attributes:
        errors: answered with 500.
        throttles: answered with 503 SlowDown.
        resets: the connection is reset in the middle of the answer.
        delay_s: added to each answer.
        bytes_per_s: how fast bodies drip; None for at once.
        only: a fault concerns requests whose method and path hold this text.
    """

    errors: float = 0
    throttles: float = 0
    resets: float = 0
    delay_s: float = 0
    bytes_per_s: float | None = None
    only: str = ""
    seed: int = 7
    requests: int = 0
    struck: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def draw(self, request):
        """Which fault a request meets; None for none."""
        with self._lock:
            self.requests += 1
            drawn = random.Random(f"{self.seed} {self.requests}").random()
            for fault in ("errors", "throttles", "resets"):
                drawn -= getattr(self, fault)
                if drawn < 0 and self.only in request:
                    self.struck += 1
                    return fault
        return None


@contextmanager
def faulty_proxy(target, faults):
    """Yields the address of a proxy to `target`, an http address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.target, server.faults = urlsplit(target).netloc, faults
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def _pass_on(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        faults = self.server.faults
        fault = faults.draw(f"{self.command} {self.path}")
        time.sleep(faults.delay_s)
        if fault == "errors":
            self._answer(500, {}, BROKEN)
        elif fault == "throttles":
            self._answer(503, {}, BUSY)
        else:
            self._answer(*self._ask(body), reset=fault == "resets")

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _pass_on

    def _ask(self, body):
        """The store's answer; it is signed for the Host that the client saw, which goes on unchanged."""
        store = http.client.HTTPConnection(self.server.target, timeout=60)
        try:
            store.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                store.putheader(name, value)
            store.endheaders(body)
            answer = store.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        finally:
            store.close()

    def _answer(self, status, headers, body, reset=False):
        self.send_response(status)
        for name, value in headers.items():
            if name.lower() not in HOP_BY_HOP | {"content-length"}:
                self.send_header(name, value)
        if status not in {204, 304}:
            length = headers.get("Content-Length", len(body)) if self.command == "HEAD" else len(body)
            self.send_header("Content-Length", str(length))
        self.end_headers()
        if reset:
            self.wfile.write(body[: len(body) // 2])
            self._hang_up()
        else:
            self._drip(b"" if self.command == "HEAD" else body)

    def _drip(self, body):
        rate = self.server.faults.bytes_per_s
        step = len(body) if rate is None else max(int(rate / 10), 1)
        try:
            for start in range(0, len(body), step or 1):
                self.wfile.write(body[start : start + step])
                if rate is not None:
                    time.sleep(step / rate)
        except OSError:  # the client has had enough
            self.close_connection = True

    def _hang_up(self):
        self.wfile.flush()
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True

    def handle(self):
        try:
            super().handle()
        except (OSError, ValueError):  # ValueError: the file of a connection that was reset is closed
            self.close_connection = True

    def finish(self):
        try:
            super().finish()
        except (OSError, ValueError):
            self.close_connection = True

    def log_message(self, *_):
        """The tests' output is theirs."""
