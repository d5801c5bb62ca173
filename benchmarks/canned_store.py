"""A server on loopback that answers ListObjectsV2 with pages made up as they are asked for."""

from __future__ import annotations

import multiprocessing
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from urllib.parse import parse_qs, urlsplit

PAGE = 1000
_HEAD = (
    '<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
    "<Name>bucket</Name><Prefix>photos/</Prefix><EncodingType>url</EncodingType><MaxKeys>1000</MaxKeys>"
)


def serve(objects: int, delay_s: float) -> tuple[BaseProcess, str]:
    """Start the server as a process, and give it with its address.

    Args:
        objects: how many `bucket` holds under `photos/`.
        delay_s: before each page.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_run, args=(objects, delay_s, theirs), daemon=True)
    process.start()
    return process, f"http://127.0.0.1:{ours.recv()}"


def page(start: int, objects: int) -> bytes:
    """The XML of one page."""
    end = min(start + PAGE, objects)
    rows = "".join(
        f"<Contents><Key>photos/{n // 1000:05d}/IMG_{n:08d}.jpg</Key>"
        f"<LastModified>2026-{n % 9 + 1:02d}-{n % 28 + 1:02d}T12:{n % 60:02d}:56.000Z</LastModified>"
        f"<ETag>&quot;{n:032x}&quot;</ETag><Size>{100_000 + n}</Size><StorageClass>STANDARD</StorageClass></Contents>"
        for n in range(start, end)
    )
    more = f"<NextContinuationToken>{end}</NextContinuationToken>" if end < objects else ""
    flag = "true" if more else "false"
    return f"{_HEAD}<KeyCount>{end - start}</KeyCount><IsTruncated>{flag}</IsTruncated>{more}{rows}</ListBucketResult>".encode()


def _run(objects: int, delay_s: float, ready: Connection) -> None:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            query = parse_qs(urlsplit(self.path).query)
            time.sleep(delay_s)
            body = page(int(query.get("continuation-token", ["0"])[0]), objects)
            self.send_response(200)
            self.send_header("Content-Type", "application/xml")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    ready.send(server.server_address[1])
    server.serve_forever()
