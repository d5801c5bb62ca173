"""infra/pin_images.py against a small registry on loopback."""

import hashlib
import json
import re
import stat
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from infra import pin_images
from tests.infra.compose_file import CHECKOUT, make_env


class Registry(BaseHTTPRequestHandler):
    """Has a manifest for every tag, and asks for a token as Docker Hub does."""

    moved = ""
    broken = False

    def log_message(self, *args):
        pass

    def do_GET(self):
        if self.path.startswith("/token"):
            assert "scope=repository" in self.path
            return self.answer(200, json.dumps({"token": "one"}).encode())
        if self.headers.get("Authorization") != "Bearer one":
            realm = (
                f'Bearer realm="http://127.0.0.1:{self.server.server_port}/token",service="r",scope="repository:x:pull"'
            )
            return self.answer(401, b"", {"WWW-Authenticate": realm})
        assert "application/vnd.oci.image.index.v1+json" in self.headers["Accept"]
        return self.answer(200, b"<html>" if self.broken else manifest(self.path, self.moved))

    def answer(self, code, body, headers=()):
        self.send_response(code)
        for name, value in {
            **dict(headers),
            "Docker-Content-Digest": "sha256:claimed",
            "Content-Length": len(body),
        }.items():
            self.send_header(name, str(value))
        self.end_headers()
        self.wfile.write(body)


def manifest(path, moved):
    return json.dumps({"schemaVersion": 2, "path": path, "moved": bool(moved and moved in path)}).encode()


@pytest.fixture
def registry():
    handler = type("Handler", (Registry,), {})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield handler, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def pin(registry, checkout, capsys):
    make_env(checkout)

    def pin(*arguments):
        pin_images.main([*arguments, "--registry", registry[1], "--env", str(checkout / ".env")])
        return capsys.readouterr().out

    return pin


def test_every_digest_of_the_example_is_filled_in_by_what_the_registry_sent(pin, checkout):
    pin()
    env = (checkout / ".env").read_text()
    names = re.findall(r"^# (\w+_DIGEST)=$", (CHECKOUT / ".env.example").read_text(), re.MULTILINE)
    found = dict(re.findall(r"^(\w+_DIGEST)=@(sha256:[0-9a-f]{64})$", env, re.MULTILINE))
    assert len(names) >= 7
    assert found.keys() == set(names)
    tag = re.search(r"^# POSTGRES_VERSION=(.+)$", env, re.MULTILINE)[1]
    body = manifest(f"/v2/library/postgres/manifests/{tag}", "")
    assert found["POSTGRES_DIGEST"] == f"sha256:{hashlib.sha256(body).hexdigest()}"
    assert stat.S_IMODE((checkout / ".env").stat().st_mode) == 0o600


def test_a_moved_tag_is_seen_and_brought_up_to_date(pin, registry, checkout):
    pin()
    before = (checkout / ".env").read_text()
    with pytest.raises(SystemExit) as same:
        pin("--check")
    registry[0].moved = "redis"
    with pytest.raises(SystemExit) as moved:
        pin("--check")
    assert (bool(same.value.code), bool(moved.value.code)) == (False, True)
    assert (checkout / ".env").read_text() == before
    said = pin().splitlines()
    assert {line.split()[1].partition("=")[0] for line in said if line.startswith("another")} == {"REDIS_DIGEST"}
    after = (checkout / ".env").read_text()
    assert len(set(after.splitlines()) - set(before.splitlines())) == 1


def test_what_is_no_manifest_changes_nothing(pin, registry, checkout):
    before = (checkout / ".env").read_text()
    registry[0].broken = True
    with pytest.raises(SystemExit, match=r"cannot be looked up .* nothing was changed"):
        pin()
    assert (checkout / ".env").read_text() == before


def test_a_registry_is_asked_over_https(checkout):
    with pytest.raises(ValueError, match="is not https"):
        pin_images.digest_of_tag("http://registry.example.org", "library/redis", "7")
