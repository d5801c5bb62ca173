"""Every image of docker-compose.yml from what this machine reaches: Debian's mirror and the package index."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

from tests.integration.composed import CHECKOUT, POSTGRES
from tests.seaweed import find_weed
from tests.soak.engine import Engine

STAND_INS = Path(__file__).with_name("stand_ins.Dockerfile")
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
# What a machine may say about its package index, which only its environment knows.
INDEX = ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX")


def qualified(image: str) -> str:
    """The whole name of an image, as Docker completes it."""
    return f"docker.io/{image}" if "/" in image else f"docker.io/library/{image}"


def make_base(engine: Engine, image: str) -> None:
    """Debian with Python and pip, under the name of the image that ours start from."""
    root = engine.folder / "base"
    packages = "--include=ca-certificates,python3,python3-pip,python3-venv"
    subprocess.run(["debootstrap", "--variant=minbase", packages, "bookworm", root], check=True, capture_output=True)
    for mark in root.glob("usr/lib/python3*/EXTERNALLY-MANAGED"):
        mark.unlink()  # Debian's pip installs nothing beside Debian's packages, the image's does
    if trusted := os.environ.get("SSL_CERT_FILE"):
        shutil.copyfile(trusted, root / CERTIFICATES.lstrip("/"))
    told = {name: os.environ[name] for name in INDEX if name in os.environ} | {"SSL_CERT_FILE": CERTIFICATES}
    changes = [f"--change=ENV={name}={value}" for name, value in told.items()]
    with subprocess.Popen(["tar", "-C", root, "-c", "."], stdout=subprocess.PIPE) as archive:
        engine.run("import", *changes, "-", qualified(image), stdin=archive.stdout)
    shutil.rmtree(root)


def build_ours(engine: Engine, service: dict[str, Any]) -> None:
    """The image of a service that the file says how to build."""
    arguments = [f"--build-arg={name}={value}" for name, value in service["build"]["args"].items()]
    dockerfile = CHECKOUT / service["build"]["dockerfile"]
    engine.build(dockerfile, qualified(service["image"]), CHECKOUT, "--layers=false", *arguments)


def build_stand_in(engine: Engine, name: str, service: dict[str, Any], python_image: str) -> None:
    """An image under the name that the file would pull."""
    context = engine.folder / "stand_ins"
    if not context.exists():
        context.mkdir()
        shutil.copy(str(find_weed()), context / "weed")
        (context / "postgres").write_text(POSTGRES.replace("INITDB_FOLDER", "/opt/postgresql"))
    engine.build(
        STAND_INS, qualified(service["image"]), context, f"--target={name}", f"--build-arg=PYTHON_IMAGE={python_image}"
    )
