"""Write the digests of the images that docker-compose.yml names by tag into .env, and keep them current.

    python3 infra/pin_images.py            # fill in, or bring up to date
    python3 infra/pin_images.py --check    # 1 if a registry's tag is another image than .env says

A tag may be moved to another image; a digest is that of its bytes. Any plain Python 3 runs this, with the internet.
"""

import argparse
import hashlib
import json
import os
import re
import sys
import tempfile
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

_CHECKOUT = Path(__file__).resolve().parent.parent
_HUB = "https://registry-1.docker.io"
# Indexes of several platforms come first: their digest stands for all of them.
_MANIFESTS = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
_IMAGE = re.compile(r"([\w./-]+):\$\{(\w+)_VERSION:-([\w.-]+)\}\$\{(\w+)_DIGEST:-\}")
_LIMIT = 4 << 20  # bytes of a manifest


def images(compose: str, env: str) -> dict[str, tuple[str, str]]:
    """Repository and tag of each image that may be pinned, by the beginning of its variables' names."""
    chosen = dict(re.findall(r"^(\w+)_VERSION=(\S+)", env, re.MULTILINE))
    found = {name: (repository, chosen.get(name, tag)) for repository, name, tag, _ in _IMAGE.findall(compose)}
    return {name: (path if "/" in path else f"library/{path}", tag) for name, (path, tag) in found.items()}


def digest_of_tag(registry: str, repository: str, tag: str) -> str:
    """`sha256:..` of the manifest that a registry has under a tag now; of its bytes, not what the registry says of them."""
    url = f"{registry}/v2/{repository}/manifests/{tag}"
    try:
        body = _get(url, {})
    except urllib.error.HTTPError as error:
        challenge = error.headers.get("WWW-Authenticate", "")
        if error.code != 401 or not challenge.startswith("Bearer "):
            raise
        body = _get(url, {"Authorization": f"Bearer {_token(challenge)}"})
    if "schemaVersion" not in json.loads(body):
        raise ValueError(f"{url} is no manifest")
    return f"sha256:{hashlib.sha256(body).hexdigest()}"


def _token(challenge: str) -> str:
    told = dict(re.findall(r'(\w+)="([^"]*)"', challenge))
    query = urllib.parse.urlencode({name: told[name] for name in ("service", "scope") if name in told})
    answer = json.loads(_get(f"{told['realm']}?{query}", {}))
    return str(answer.get("token") or answer["access_token"])


def _get(url: str, headers: dict[str, str]) -> bytes:
    if not url.startswith(("https://", "http://127.0.0.1:")):
        raise ValueError(f"{url} is not https")
    request = urllib.request.Request(url, headers={"Accept": ", ".join(_MANIFESTS), **headers})  # noqa: S310
    with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
        return bytes(answer.read(_LIMIT))


def pinned(env: str, digests: dict[str, str]) -> str:
    """The text of .env with these digests in it, where their line or its comment stood, else at the end."""
    for name, digest in digests.items():
        line = f"{name}_DIGEST=@{digest}"
        env, count = re.subn(rf"^(# )?{name}_DIGEST=.*$", line, env, count=1, flags=re.MULTILINE)
        if not count:
            env = f"{env.rstrip()}\n{line}\n"
    return env


def replace(path: Path, text: str) -> None:
    """Replace a file atomically by one that only its owner reads."""
    descriptor, scratch = tempfile.mkstemp(dir=path.parent, prefix=".env.")
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    Path(scratch).replace(path)


def main(arguments: list[str] | None = None) -> None:
    """Pin, or check."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="only compare")
    parser.add_argument("--registry", default=_HUB, help=f"default {_HUB}")
    parser.add_argument("--env", type=Path, default=_CHECKOUT / ".env")
    given = parser.parse_args(arguments)
    if not given.env.is_file():
        raise SystemExit(f"{given.env} is not there; run make env first")
    env = given.env.read_text(encoding="utf-8")
    digests = {}
    for name, (repository, tag) in images((_CHECKOUT / "docker-compose.yml").read_text(encoding="utf-8"), env).items():
        try:
            digests[name] = digest_of_tag(given.registry, repository, tag)
        except (OSError, ValueError, KeyError) as error:
            raise SystemExit(f"{repository}:{tag} cannot be looked up ({error}); nothing was changed") from error
    new = pinned(env, digests)
    for name, digest in digests.items():
        is_same = f"\n{name}_DIGEST=@{digest}\n" in f"\n{env}\n"
        sys.stdout.write(f"{'same   ' if is_same else 'another'} {name}_DIGEST=@{digest}\n")
    if given.check:
        sys.exit(new != env)
    replace(given.env, new)


if __name__ == "__main__":
    main()
