"""Where this installation keeps things, read from the environment at the edge."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import urlencode

from pipeline.core.errors import SettingsError
from pipeline.core.redaction import without_user
from pipeline.core.uri_paths import plain_path
from pipeline.core.variables import Variable, env, values_of

ALLOW_PATHS = Variable(
    "NIGHTCAP_ALLOW_PATHS",
    "`1` lets a served model (pyfunc) read local files named in column `path`: plain files, and only under "
    "`NIGHTCAP_ROOTS` if that is set. Default: refused.",
)


def _starting_with(*prefixes: str, remedy: str, check: Callable[[str], str] = str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text and not text.startswith(prefixes):
            raise ValueError(remedy)
        return check(text)

    return parse


def _at_least(least: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not (text.isascii() and text.isdecimal()) or int(text) < least:
            raise ValueError(f"set it to a whole number of at least {least}")
        return int(text)

    return parse


def _roots(text: str) -> tuple[str, ...]:
    roots = tuple(root.strip() for root in text.split(",") if root.strip())
    for root in roots:
        if not root.startswith(("/", "s3://")):
            raise ValueError(f"{root!r} is a relative path; use absolute folders and s3://bucket/prefix addresses")
    return roots


def _switch(text: str) -> bool:
    if text not in ("true", "false"):
        raise ValueError("set it to true or false")
    return text == "true"


def _pages(text: str) -> str:
    """An address that may have a path, without the last slash: other parts of it would spoil links and headers."""
    if text and not re.fullmatch(r"https?://[\w.-]+(:\d{1,5})?(/[\w.~%/-]*)?", text, re.ASCII):
        raise ValueError(
            "no address that pages can begin with; set it to the address without ?key=..., a user and brackets, such as "
            "http://127.0.0.1:8090, or leave it out"
        )
    return text.rstrip("/")


_folder = _starting_with("/", remedy="set it to an absolute folder", check=plain_path)
_folder_or_bucket = _starting_with("/", "s3://", remedy="set it to an absolute folder or s3://bucket/prefix")
_address = _starting_with(
    "http://", "https://", remedy="no address; set it to one that begins with http:// or https://, or leave it out"
)


def _default_root(beside: Path) -> str:
    try:
        return plain_path(str(beside / ".nightcap"))
    except ValueError as error:
        raise SettingsError(f"{error}, or set NIGHTCAP_HOME to another") from error


@dataclass(frozen=True)
class ExternalLimits:
    """What the process of an external captioner may use; limits of the machine, which no form of a night can raise."""

    python: str = env(
        "NIGHTCAP_EXTERNAL_PYTHON",
        "The Python that runs external captioners, or a script that takes its arguments. Default: Nightcap's own.",
        parse=lambda text: text or sys.executable,
        former_name="NIGHTCAP_FOREIGN_PYTHON",
    )
    memory_mb: int = env(
        "NIGHTCAP_EXTERNAL_MEMORY_MB",
        "Address space of an external captioner's process in MiB; 0 for no limit, which CUDA needs.",
        "16384",
        parse=_at_least(0),
        former_name="NIGHTCAP_FOREIGN_MEMORY_MB",
    )
    load_s: int = env(
        "NIGHTCAP_EXTERNAL_LOAD_S",
        "Seconds that an external captioner may take to load.",
        "600",
        parse=_at_least(1),
        former_name="NIGHTCAP_FOREIGN_LOAD_S",
    )
    batch_s: int = env(
        "NIGHTCAP_EXTERNAL_BATCH_S",
        "Seconds that an external captioner may take for a batch of 16 images.",
        "300",
        parse=_at_least(1),
        former_name="NIGHTCAP_FOREIGN_BATCH_S",
    )


@dataclass(frozen=True)
class Home:
    """Absolute folders and addresses of one installation; properties replace what is empty because nothing is set."""

    root: Path = env(
        "NIGHTCAP_HOME",
        "An absolute folder for everything Nightcap keeps. Default: `.nightcap` in the checkout, else `~/.nightcap`.",
        parse=_folder,
        required=True,
    )
    store: Path = env(
        "NIGHTCAP_STORE",
        "An absolute folder for stage outputs, nights and tables. Default: `$NIGHTCAP_HOME/store`.",
        parse=_starting_with(
            "/",
            remedy="set it to an absolute local folder (tables and outputs of stages need a file system)",
            check=plain_path,
        ),
        required=True,
    )
    tracking_uri: str = env(
        "MLFLOW_TRACKING_URI",
        "The MLflow server or database. Default: `sqlite:///$NIGHTCAP_HOME/mlflow.db`.",
        required=True,
    )
    roots: tuple[str, ...] = env(
        "NIGHTCAP_ROOTS",
        "Absolute folders and `s3://bucket/prefix` addresses with commas between them, under which nights and trainings may read and "
        "write beside `NIGHTCAP_HOME`: images, manifests, outputs and tables. `NIGHTCAP_CAPTIONS` may be written wherever "
        "it lies.",
        parse=_roots,
    )
    pushgateway: str = env(
        "NIGHTCAP_PUSHGATEWAY",
        "Address of a Prometheus Pushgateway that nights push their metrics to. Default: none.",
        parse=_address,
        secret=True,
    )
    pushgateway_password: str = env(
        "NIGHTCAP_PUSHGATEWAY_PASSWORD",
        "Password of the account `nightcap` at the Pushgateway. Default: it asks for no login.",
        secret=True,
    )
    webhook: str = env(
        "NIGHTCAP_WEBHOOK",
        "Address that a JSON object is POSTed to when a night fails, is held back or, where a triggerer runs, is late, "
        "and when a training on the command line fails. It is treated as a secret. Default: none.",
        parse=_address,
        secret=True,
    )
    external: ExternalLimits = field(default_factory=ExternalLimits)
    journal: str = env(
        "NIGHTCAP_PROMOTIONS",
        "An absolute folder or `s3://bucket/prefix` for the promotion journal; machines that share one MLflow share it. "
        "Default: `$NIGHTCAP_STORE/promotions`.",
        parse=_folder_or_bucket,
    )
    mlflow_url: str = env(
        "NIGHTCAP_MLFLOW_URL",
        "Where people's browsers reach MLflow, for the links in Airflow. Default: `MLFLOW_TRACKING_URI`, if that is a "
        "server.",
        parse=_address,
        secret=True,
    )
    app_url: str = env(
        "NIGHTCAP_APP_URL",
        "Where people's browsers reach `nightcap app`, for the links in Airflow to the captions of nights, without "
        "`?key=...`. Default: none.",
        parse=_pages,
        secret=True,
    )
    airflow_url: str = env(
        "NIGHTCAP_AIRFLOW_URL",
        "Where people's browsers reach Airflow, which `nightcap app` lets show its pages. The tab needs both addresses "
        "to have one host name, such as 127.0.0.1. Default: none.",
        parse=_pages,
        secret=True,
    )
    images: str = env(
        "NIGHTCAP_INPUT",
        "A folder or `s3://bucket/prefix` where nights look for images by default; NIGHTCAP_ROOTS must hold it. Default: "
        "`$NIGHTCAP_HOME/inbox`.",
        parse=_folder_or_bucket,
    )
    table: str = env(
        "NIGHTCAP_CAPTIONS",
        "An absolute folder for the table of captions; the current ones lie beside it, with `_current` at the end. "
        "Default: `$NIGHTCAP_STORE/captions`.",
        parse=_folder,
    )
    promoted_only: bool = env(
        "NIGHTCAP_PROMOTED_ONLY",
        "`true` lets nights caption only with versions that the promotion journal names. Whoever runs "
        "nights then cannot put another version to work. The stack sets `true`.",
        "false",
        parse=_switch,
    )

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> Home:
        """Read the environment; a wrong variable raises SettingsError with its name, its value and a remedy."""
        values = values_of(cls, environ)
        checkout = Path(__file__).resolve().parents[2]
        beside = checkout if (checkout / "pyproject.toml").is_file() else Path.home()
        root = Path(values["root"] or _default_root(beside))
        values |= {
            "root": root,
            "store": Path(values["store"] or root / "store"),
            "tracking_uri": values["tracking_uri"] or f"sqlite:///{root / 'mlflow.db'}",
        }
        return cls(**values, external=ExternalLimits(**values_of(ExternalLimits, environ)))

    def create(self) -> None:
        """Make the folder if it is missing; other users of the machine have no way into it."""
        if not self.root.is_dir():
            self.root.parent.mkdir(parents=True, exist_ok=True)
            self.root.mkdir(mode=0o700, exist_ok=True)

    def reaching(self, *places: str | None) -> Home:
        """This home with more roots: the places that a user names on the command line are allowed."""
        return replace(self, roots=(*self.roots, *(place for place in places if place)))

    @property
    def artifacts(self) -> Path:
        """Where MLflow's artifacts lie when no server decides otherwise."""
        return self.store / "mlflow"

    @property
    def mlflow_page(self) -> str:
        """Where people's browsers reach MLflow; empty without a server."""
        server = self.tracking_uri if self.tracking_uri.startswith("http") else ""
        return without_user(self.mlflow_url or server).rstrip("/")  # a browser asks for its own password

    def images_page(self, night: str) -> str | None:
        """The address of a night's images at `nightcap app`; None if no address of it is known."""
        return f"{self.app_url}/night?{urlencode({'night': night})}" if self.app_url else None

    @property
    def promotions(self) -> str:
        """Where the promotion journal lies; machines that share one MLflow share it."""
        return self.journal or str(self.store / "promotions")

    @property
    def inbox(self) -> Path:
        """The default folder of new images."""
        return self.root / "inbox"

    @property
    def input(self) -> str:
        """Where nights look for images by default; the inbox if the environment names nothing."""
        return self.images or str(self.inbox)

    @property
    def captions(self) -> Path:
        """The default table of captions."""
        return Path(self.table) if self.table else self.store / "captions"
