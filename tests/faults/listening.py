"""A web server on loopback that stands for the Pushgateway and the webhook."""

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Listener(BaseHTTPRequestHandler):
    """Keeps what it is sent; `server.heard` are (method, path, body)."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.heard.append((self.command, self.path, body.decode()))
        self.send_response(200)
        self.end_headers()

    do_PUT = do_POST

    def log_message(self, *arguments):
        pass


@contextmanager
def listening():
    with ThreadingHTTPServer(("127.0.0.1", 0), Listener) as server:
        server.heard = []
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def alerts(listener):
    return [json.loads(body) for method, path, body in listener.heard if path.startswith("/hook/")]


def pushes(listener):
    """What the Pushgateway was sent, as a dictionary of series each."""
    found = [(method, path, body) for method, path, body in listener.heard if path.startswith("/metrics/")]
    assert {method for method, _, _ in found} <= {"PUT"}
    return [
        {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in body.splitlines() if line[:1] != "#"}
        for _, _, body in found
    ]
