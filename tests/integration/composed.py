"""docker-compose.yml as plain processes on loopback.

Commands, environments, health checks and order are those of the file, as the real Compose resolves it. Only what a
machine without containers lacks is put in: names of services become 127.0.0.1, each port a free one, and folders in
containers become folders of one temporary folder.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from nightcap.local.airflow_api import AirflowApi
from nightcap.local.processes import Service
from tests.conftest import MARK
from tests.integration.image_programs import BIN, CHECKOUT, POSTGRES, lay_out
from tests.seaweed import free_ports
from tests.services import INITDB, POSTGRES_USER

START_S = 300
PORT = re.compile(r"(?:(?<=[\w.]:)|(?<=[pP]ort=)|(?<=grpc=)|(?<=-p )|(?<=port ))(\d{4,5})\b")


def fresh_clone(clone: Path, settings: dict[str, str]) -> dict[str, str]:
    """Put what Compose reads into a folder that is made, with a fresh `.env`; the secrets in it by name."""
    clone.mkdir()
    for name in ("docker-compose.yml", ".env.example"):
        shutil.copy(CHECKOUT / name, clone)
    shutil.copytree(CHECKOUT / "infra", clone / "infra")
    subprocess.run([sys.executable, "infra/make_env.py"], cwd=clone, check=True, capture_output=True)
    made = (clone / ".env").read_text()
    (clone / ".env").write_text(made + "".join(f"{name}={value}\n" for name, value in settings.items()))
    return dict(re.findall(r"^(\w+)=(.+)$", made, re.MULTILINE))


@dataclass
class Composed:
    """The services of the file.

    Attributes:
        folder: where everything lies; others may enter it.
        settings: what `.env` says beside its secrets.
        kept_ports: of servers that are not in the file.
        services: the processes by name, replicas numbered from 1.
        secrets: what `make env` drew, by name.
    """

    folder: Path
    settings: dict[str, str] = field(default_factory=dict)
    kept_ports: frozenset[int] = frozenset()
    services: dict[str, Service] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    _whole: dict[str, Any] = field(default_factory=dict)
    _ports: dict[str, str] = field(default_factory=dict)

    def up(self, *names: str) -> None:
        """Start services, or all without a profile, when those that they depend on are as they ask, until all are well."""
        if not self._whole:
            self._resolve()
            lay_out(self.folder / "bin", self._translated(POSTGRES, "postgres"))
        wanted = [name for name in self._order(names) if not self._is_up(name)]
        for name in wanted:
            for other, wish in self._depends_on(name).items():
                self._wait_for(other, wish["condition"])
            for number in range(1, self._replicas(name) + 1):
                self._start(name, number)
        for name in wanted:
            self._wait_for(name, "service_healthy")

    def down(self) -> None:
        """End every process."""
        with ThreadPoolExecutor() as threads:
            list(threads.map(Service.stop, self.services.values()))

    def api(self) -> AirflowApi:
        """A client of Airflow's API that logs in as its admin."""
        return AirflowApi(self.address(8080), "admin", self.secrets["AIRFLOW_ADMIN_PASSWORD"])

    def address(self, port: int) -> str:
        """Where a port of the file answers."""
        return f"http://127.0.0.1:{self._ports[str(port)]}"

    def volume(self, name: str) -> Path:
        """The folder that stands for a volume."""
        return self.folder / "volumes" / name

    def replica_of(self, pid: int) -> str:
        """The name of the container that a process belongs to."""
        session = os.getsid(pid)
        (name,) = (name for name, service in self.services.items() if service._process.pid == session)
        return name

    def kill_replica_of(self, pid: int) -> str:
        """Kill, as when a machine dies, all processes of the container that one belongs to; its name."""
        session, name = os.getsid(pid), self.replica_of(pid)
        for process in psutil.process_iter():
            with suppress(OSError, psutil.Error):
                if os.getsid(process.pid) == session:
                    os.kill(process.pid, signal.SIGKILL)
        self.services.pop(name)
        return name

    def change(self, name: str, **environment: str) -> None:
        """What `docker compose up` does with a service whose part of `.env` has changed."""
        self.services.pop(f"{name}-1").stop()
        self._whole["services"][name]["environment"] |= environment
        self._start(name, 1)
        self._wait_for(name, "service_healthy")

    def _resolve(self) -> None:
        """Let the real Compose read the file with a fresh `.env`, and find free ports."""
        clone = self.folder / "clone"
        self.secrets = fresh_clone(clone, self.settings)
        command = [BIN / "docker-compose", "--profile", "tools", "config", "--format", "json"]
        environment = {"HOME": str(clone), "PATH": os.defpath}
        resolved = subprocess.run(command, cwd=clone, env=environment, check=True, capture_output=True, text=True)
        self._whole = json.loads(resolved.stdout)
        named = set(PORT.findall(resolved.stdout)) - {str(port) for port in self.kept_ports}
        named |= {each["AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_SERVER_PORT"] for each in self._environments()}
        self._ports = dict(zip(sorted(named), map(str, free_ports(len(named))), strict=True))

    def _environments(self) -> list[dict[str, str]]:
        services = self._whole["services"].items()
        return [service["environment"] for name, service in services if name.startswith("airflow-")]

    def _is_up(self, name: str) -> bool:
        service = self.services.get(f"{name}-1")
        return service is not None and service._process.poll() is None

    def _depends_on(self, name: str) -> dict[str, Any]:
        return self._whole["services"][name].get("depends_on", {})

    def _order(self, names: Iterable[str]) -> list[str]:
        """Some services, or all without a profile, each after those that it depends on, which join them."""
        ordered: list[str] = []

        def visit(name: str) -> None:
            for other in self._depends_on(name):
                visit(other)
            if name not in ordered:
                ordered.append(name)

        services = self._whole["services"].items()
        for name in names or [name for name, service in services if not service.get("profiles")]:
            visit(name)
        return ordered

    def _replicas(self, name: str) -> int:
        return int(self._whole["services"][name].get("deploy", {}).get("replicas", 1))

    def _start(self, name: str, number: int, arguments: Iterable[str] = ()) -> None:
        service = self._whole["services"][name]
        self._fill_mounts(name)
        words = [*(service.get("entrypoint") or []), *(arguments or service["command"] or [])]
        command = [self._plain(word, name) for word in words]
        if name == "postgres":
            command = [*POSTGRES_USER, *command]
            if POSTGRES_USER:
                shutil.chown(self.volume("postgres"), "postgres", "postgres")
        replica = f"{name}-{number}"
        environment = self._environment(name, replica)
        # By its path, because a command is looked for where this process looks.
        command[0] = shutil.which(command[0], path=environment["PATH"]) or command[0]
        self.services[replica] = Service(replica, command, environment, self.folder / "logs" / f"{replica}.log")

    def _fill_mounts(self, name: str) -> None:
        """Make the service's folders, with copies of what the file mounts from the checkout or holds itself."""
        service = self._whole["services"][name]
        for volume in service.get("volumes", []):
            place = self._mounts(name)[volume["target"]]
            place.mkdir(parents=True, exist_ok=True)
            if volume["target"] == "/opt/airflow/logs":
                self._link_logs(name, place)
            if volume["type"] == "volume" or place == Path(volume["source"]):
                continue
            for path in Path(volume["source"]).iterdir():
                (place / path.name).write_text(self._translated(path.read_text(), name))
        for config in service.get("configs", []):
            place = self._mounts(name)[config["target"]]
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(self._plain(self._whole["configs"][config["source"]]["content"], name))

    def _link_logs(self, name: str, place: Path) -> None:
        """Where the service's Airflow, whose other files are its own, finds the logs of all."""
        own = self._mounts(name)["/opt/airflow"]
        own.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError):
            (own / "logs").symlink_to(place)

    def _mounts(self, name: str) -> dict[str, Path]:
        """Where what a container has under a path lies here."""
        service = self._whole["services"][name]
        found = {"/srv/nightcap": CHECKOUT, "/opt/airflow": self.folder / "files" / name / "airflow"}
        for volume in service.get("volumes", []):
            ours = volume["source"].startswith(str(self.folder / "clone"))
            bound = self.folder / "files" / name / "bound" if ours else Path(volume["source"])
            found[volume["target"]] = self.volume(volume["source"]) if volume["type"] == "volume" else bound
        for config in service.get("configs", []):
            found[config["target"]] = self.folder / "files" / name / Path(config["target"]).name
        return found

    def _environment(self, name: str, replica: str) -> dict[str, str]:
        """What the image's ENV and the file say, and what every container has."""
        service = self._whole["services"][name]
        alike = [each for each in self._whole["services"].values() if each["image"] == service["image"]]
        builds = [each["build"]["dockerfile"] for each in alike if "build" in each]
        image = self._image(CHECKOUT / builds[0]) if builds else {}
        told = {**image, **{key: value for key, value in service.get("environment", {}).items() if value is not None}}
        path = ":".join(map(str, (self.folder / "bin", BIN, *([INITDB.parent] if INITDB else []), "/usr/bin", "/bin")))
        home = self.folder / "homes" / replica
        home.mkdir(parents=True, exist_ok=True)
        ours = {
            "HOME": str(home),
            "HOSTNAME": replica,
            "PATH": path,
            "PYTHONPATH": str(CHECKOUT),
            MARK: os.environ[MARK],
        }
        return {**{key: self._plain(value, name) for key, value in told.items()}, **ours}

    @staticmethod
    def _image(dockerfile: Path) -> dict[str, str]:
        """What the last stage of the Dockerfile sets, because what earlier ones set stays with them."""
        last = dockerfile.read_text().replace("\\\n", " ").rpartition("\nFROM ")[2]
        (line,) = re.findall(r"^ENV (.+)$", last, re.MULTILINE)
        return dict(word.split("=", 1) for word in line.split())

    def _plain(self, text: str, name: str) -> str:
        """What Compose hands on: its `$$` is a dollar; and translated."""
        return self._translated(text.replace("$$", "$"), name)

    def _translated(self, text: str, name: str) -> str:
        mounts = {target: str(place) for target, place in self._mounts(name).items()}
        targets = "|".join(map(re.escape, sorted(mounts, key=len, reverse=True)))
        text = re.sub(rf"(?<![\w/.-])({targets})(?![\w.-])", lambda found: mounts[found[0]], text)
        hosts = "|".join(map(re.escape, self._whole["services"]))
        text = re.sub(rf"(?<![\w.-])({hosts})(?=:\d{{4,5}}\b)", "127.0.0.1", text.replace("0.0.0.0", "127.0.0.1"))
        return PORT.sub(lambda found: self._ports.get(found[0], found[0]), self._ports.get(text, text))

    def _wait_for(self, name: str, condition: str) -> None:
        """Until the service is well, or has ended well where that is what is asked."""
        end = time.monotonic() + START_S
        for replica in [each for each in self.services if each.rpartition("-")[0] == name]:
            while not self._is(replica, name, condition):
                assert time.monotonic() < end, f"{replica} was not {condition} in {START_S} s; {self._told(replica)}"
                time.sleep(0.5)

    def _is(self, replica: str, name: str, condition: str) -> bool:
        code = self.services[replica]._process.poll()
        assert code in (None, 0), f"{replica} ended with {code}; {self._told(replica)}"
        if condition == "service_completed_successfully" or "healthcheck" not in self._whole["services"][name]:
            return code == 0
        assert code is None, f"{replica} ended; {self._told(replica)}"
        return self.is_well(replica)

    def is_well(self, replica: str) -> bool:
        """What the service's own health check says."""
        name = replica.rpartition("-")[0]
        check = self._whole["services"][name]["healthcheck"]
        kind, script = check["test"]
        assert kind == "CMD-SHELL"
        environment = self._environment(name, replica)
        command = ["sh", "-c", self._plain(script, name)]
        try:
            limit_s = 3 * int(check["timeout"].removesuffix("s"))  # more than in production: two cores run everything
            return not subprocess.run(
                command, check=False, env=environment, capture_output=True, timeout=limit_s
            ).returncode
        except subprocess.TimeoutExpired:
            return False

    def _told(self, replica: str) -> str:
        return f"its log ends with:\n{(self.folder / 'logs' / f'{replica}.log').read_text()[-3000:]}"
