"""docker-compose.yml as containers: the real Compose against an engine's API."""

from __future__ import annotations

import json
import os
import subprocess
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nightcap.local.airflow_api import AirflowApi
from tests.integration.composed import BIN, fresh_clone
from tests.seaweed import free_ports
from tests.soak.engine import Engine, EngineError

PORTS = ("AIRFLOW_PORT", "MLFLOW_PORT", "S3_PORT", "PROMETHEUS_PORT", "ALERTMANAGER_PORT")
HEALTHY_S = 600


@dataclass
class Contained:
    """The services of the file.

    Attributes:
        engine: what runs them.
        ports: on loopback, by the setting's name.
        secrets: what `make env` drew, by name.
        whole: the file as Compose resolves it.
    """

    engine: Engine
    ports: dict[str, str] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    whole: dict[str, Any] = field(default_factory=dict)
    _ended: threading.Event = field(default_factory=threading.Event)

    def resolve(self) -> None:
        """Let the real Compose read the file with a fresh `.env`."""
        self.ports = dict(zip(PORTS, map(str, free_ports(len(PORTS))), strict=True))
        self.secrets = fresh_clone(self._clone, self.ports)
        self.whole = json.loads(self.compose("config", "--format", "json"))

    def compose(self, *arguments: str) -> str:
        """What Compose prints.

        Raises:
            EngineError: it failed, with what it said.
        """
        environment = {"HOME": str(self._clone), "PATH": os.defpath, "DOCKER_HOST": f"unix://{self.engine.socket}"}
        command = [BIN / "docker-compose", *arguments]
        done = subprocess.run(command, check=False, cwd=self._clone, env=environment, capture_output=True, text=True)
        if done.returncode:
            raise EngineError(f"compose {arguments[0]} ended with {done.returncode}: {done.stderr[-3000:]}")
        return done.stdout

    def up(self) -> None:
        """Start all services and wait until they are healthy."""
        self._ended.clear()
        beating = threading.Thread(target=self._beat, daemon=True)
        beating.start()
        try:
            self.compose("up", "--detach", "--no-build")
            self._wait_until_healthy()
        finally:
            self._ended.set()
            beating.join()

    def down(self, *options: str) -> None:
        """Remove the containers, and with `--volumes` what they kept."""
        self.compose("down", *options)

    def states(self) -> dict[str, str]:
        """What the engine says of each container, by its name without the project's."""
        lines = self.engine.run("ps", "--all", "--format={{.Names}}={{.Status}}").splitlines()
        return dict(line.removeprefix("nightcap-").split("=", 1) for line in lines)

    def api(self) -> AirflowApi:
        """A client of Airflow's API that logs in as its admin."""
        return AirflowApi(self.address("AIRFLOW_PORT"), "admin", self.secrets["AIRFLOW_ADMIN_PASSWORD"])

    def address(self, port: str) -> str:
        """Where a published port answers."""
        return f"http://127.0.0.1:{self.ports[port]}"

    def inside(self, container: str, *command: str) -> str:
        """What a command in a running container prints."""
        return self.engine.run("exec", f"nightcap-{container}", *command)

    def volume(self, name: str) -> Path:
        """The folder of a volume."""
        return Path(self.engine.run("volume", "inspect", "--format={{.Mountpoint}}", f"nightcap_{name}").strip())

    @property
    def _clone(self) -> Path:
        return self.engine.folder / "clone"

    def _beat(self) -> None:
        """Podman leaves it to systemd to run health checks, which a test machine may lack."""
        while not self._ended.wait(5):
            for name, status in self.states().items():
                if "(starting)" in status or "(unhealthy)" in status:
                    self.engine.run("healthcheck", "run", f"nightcap-{name}", check=False)

    def _wait_until_healthy(self) -> None:
        end = time.monotonic() + HEALTHY_S
        while unwell := {name: status for name, status in self.states().items() if not self._is_as_wished(status)}:
            if time.monotonic() > end:
                logs = [self.engine.run("logs", "--tail=20", f"nightcap-{name}") for name in unwell]
                raise EngineError(f"not healthy after {HEALTHY_S} s: {unwell}; {''.join(logs)}")
            time.sleep(1)

    @staticmethod
    def _is_as_wished(status: str) -> bool:
        return "(healthy)" in status or status.startswith("Exited (0)")
