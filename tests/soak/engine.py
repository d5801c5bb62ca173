"""Podman as an engine of its own: images, containers, volumes and networks lie in one folder and end with it."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

NEEDED_GB = 20
START_S = 30
TOOLS = ("podman", "runc", "iptables", "catatonit", "debootstrap")
HELPERS = ("netavark", "aardvark-dns")
CONFIG = """
[containers]
default_ulimits = ["nofile=4096:4096", "nproc=8192:8192"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "none"
lock_type = "file"
tmp_dir = "{folder}/tmp_dir"
[network]
network_backend = "netavark"
network_config_dir = "{folder}/networks"
"""


class EngineError(Exception):
    """Podman failed."""


@dataclass(frozen=True)
class Engine:
    """Podman with a folder for all it keeps."""

    folder: Path

    @property
    def socket(self) -> Path:
        """Where Docker's API answers."""
        return self.folder / "api"

    @property
    def environment(self) -> dict[str, str]:
        """What podman finds its settings and its scratch space by."""
        return {
            **os.environ,
            "CONTAINERS_CONF": str(self.folder / "containers.conf"),
            "TMPDIR": str(self.folder / "tmp"),
        }

    def command(self, *arguments: str | Path) -> list[str]:
        """How podman is called."""
        places = [f"--root={self.folder / 'root'}", f"--runroot={self.folder / 'runroot'}"]
        return ["podman", "--log-level=fatal", *places, *map(str, arguments)]

    def run(self, *arguments: str | Path, check: bool = True, **options: object) -> str:
        """What podman prints.

        Raises:
            EngineError: it failed, with what it and the container said.
        """
        command = self.command(*arguments)
        done = subprocess.run(
            command,
            check=False,
            env=self.environment,
            text=True,
            capture_output=True,
            **options,
        )
        if check and done.returncode:
            raise EngineError(
                f"podman {arguments[0]} ended with {done.returncode}: {done.stdout[-3000:]}{done.stderr[-3000:]}"
            )
        return done.stdout

    def build(self, dockerfile: Path, image: str, context: Path, *options: str) -> None:
        """Build an image with the machine's own network, where the packages come from."""
        self.run(
            "build",
            "--quiet",
            "--network=host",
            "--pull=never",
            f"--file={dockerfile}",
            f"--tag={image}",
            *options,
            context,
        )

    def gigabytes(self) -> float:
        """What lies on the disk now."""
        told = subprocess.run(["du", "-sxk", self.folder], check=True, capture_output=True, text=True)
        return int(told.stdout.split()[0]) / 1e6

    @contextmanager
    def api(self) -> Iterator[str]:
        """Docker's API until the block ends; the address that `DOCKER_HOST` takes."""
        with (self.folder / "api.log").open("w") as log:
            process = subprocess.Popen(
                self.command("system", "service", "--time=0", f"unix://{self.socket}"),
                env=self.environment,
                stdout=log,
                stderr=log,
            )
        try:
            end = time.monotonic() + START_S
            while not self.socket.exists():
                if time.monotonic() > end or process.poll() is not None:
                    raise EngineError(f"no API: {(self.folder / 'api.log').read_text()[-3000:]}")
                time.sleep(0.1)
            yield f"unix://{self.socket}"
        finally:
            process.terminate()
            process.wait()


def lacking() -> str:
    """Why podman is not even tried here; empty where it is."""
    missing = [name for name in TOOLS if not shutil.which(name)]
    missing += [name for name in HELPERS if not shutil.which(name, path="/usr/lib/podman:/usr/libexec/podman")]
    if missing:
        return f"needs {', '.join(missing)} (Debian packages of these names)"
    if os.geteuid() != 0:
        return "needs root: podman makes networks, and debootstrap a root folder"
    free_gb = shutil.disk_usage(tempfile.gettempdir()).free / 1e9
    if free_gb < NEEDED_GB:
        return f"needs {NEEDED_GB} GB in {tempfile.gettempdir()}, which has {free_gb:.0f}"
    return ""


@contextmanager
def own_engine() -> Iterator[Engine]:
    """An engine with nothing in it, of which nothing stays."""
    folder = Path(tempfile.mkdtemp(prefix="nightcap-podman-"))
    engine = Engine(folder)
    (folder / "tmp").mkdir()
    (folder / "containers.conf").write_text(CONFIG.format(folder=folder))
    try:
        yield engine
    finally:
        engine.run("system", "reset", "--force", check=False)
        mounted = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
        for place in sorted((each for each in mounted if each.startswith(f"{folder}/")), reverse=True):
            subprocess.run(["umount", "--lazy", place], check=False)
        shutil.rmtree(folder)
