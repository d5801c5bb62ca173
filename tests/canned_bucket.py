"""A bucket in memory on loopback, which takes any key that S3's protocol can carry, and remembers what it was asked."""

from __future__ import annotations

import hashlib
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, quote, unquote, urlsplit

PAGE = 7


@dataclass
class Bucket:
    """Objects by key; `asked` are the requests' methods and decoded paths.

    `refused` keys are answered with a status and a code, those that are `cut` with fewer bytes than they are said to have,
    and some with other headers. Those that are `unsized` come whole and without a length, whatever part is asked for.
    """

    endpoint: str = ""
    objects: dict = field(default_factory=dict)
    asked: list = field(default_factory=list)
    refused: dict = field(default_factory=dict)
    cut: set = field(default_factory=set)
    unsized: set = field(default_factory=set)
    headers: dict = field(default_factory=dict)

    @property
    def environment(self):
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": "x",
            "AWS_SECRET_ACCESS_KEY": "y",
            "AWS_DEFAULT_REGION": "us-east-1",
        }


@contextmanager
def canned_bucket():
    """A server of one bucket called `bucket`."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.bucket = Bucket(f"http://127.0.0.1:{server.server_address[1]}")
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.bucket
    finally:
        server.shutdown()
        server.server_close()


def etag(data):
    return hashlib.md5(data).hexdigest()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        bucket, parts = self.server.bucket, urlsplit(self.path)
        _, name, *key = unquote(parts.path).split("/", 2)
        bucket.asked.append((self.command, unquote(parts.path)))
        assert name == "bucket"
        if not key:
            self._answer(200, self._listing(parse_qs(parts.query)))
        elif key[0] in bucket.refused:
            status, code = bucket.refused[key[0]]
            self._answer(status, f"<Error><Code>{code}</Code><Message>of {code}</Message></Error>".encode())
        elif key[0] not in bucket.objects:
            self._answer(404, b"<Error><Code>NoSuchKey</Code></Error>")
        elif self.headers.get("If-Match", etag(bucket.objects[key[0]])).strip('"') != etag(bucket.objects[key[0]]):
            self._answer(412, b"<Error><Code>PreconditionFailed</Code></Error>")
        else:
            is_unsized = key[0] in bucket.unsized
            data, asked = bucket.objects[key[0]], "" if is_unsized else self.headers.get("Range", "")
            first = int(asked.rpartition("-")[2]) + 1 if asked else len(data)
            self._answer(
                206 if asked else 200,
                data[:first],
                bucket.headers.get(key[0], {"ETag": f'"{etag(data)}"'}),
                key[0] in bucket.cut,
                is_unsized,
            )

    def do_PUT(self):
        bucket = self.server.bucket
        data = self.rfile.read(int(self.headers["Content-Length"]))
        bucket.asked.append(("PUT", unquote(urlsplit(self.path).path)))
        self._answer(200, b"", {"ETag": f'"{etag(data)}"'})

    def _listing(self, query):
        prefix, start = query.get("prefix", [""])[0], int(query.get("continuation-token", ["0"])[0])
        keys = sorted(key for key in self.server.bucket.objects if key.startswith(prefix))
        rows = "".join(
            f"<Contents><Key>{quote(key)}</Key><LastModified>2026-11-23T02:00:00.000Z</LastModified>"
            f"<ETag>&quot;{etag(data)}&quot;</ETag><Size>{len(data)}</Size></Contents>"
            for key in keys[start : start + PAGE]
            for data in [self.server.bucket.objects[key]]
        )
        more = start + PAGE < len(keys)
        token = f"<NextContinuationToken>{start + PAGE}</NextContinuationToken>" if more else ""
        flag = "true" if more else "false"
        return (
            f"<ListBucketResult><EncodingType>url</EncodingType><IsTruncated>{flag}</IsTruncated>{token}{rows}"
            f"</ListBucketResult>"
        ).encode()

    def _answer(self, status, body, headers=None, is_cut=False, is_unsized=False):
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if not is_unsized:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with suppress(ConnectionError):  # who was sent enough hangs up
            self.wfile.write(body[:-1] if is_cut else body)
        self.close_connection = is_cut or is_unsized

    def log_message(self, *_):
        """The tests' output is theirs."""
