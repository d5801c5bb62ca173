"""Where this installation keeps things, read from the environment at the edge."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from pipeline.core.errors import SettingsError
from pipeline.core.external_limits import ExternalLimits

_SERVICES = ("NIGHTCAP_PUSHGATEWAY", "NIGHTCAP_WEBHOOK", "NIGHTCAP_MLFLOW_URL")
_PLACES = {"NIGHTCAP_PROMOTIONS": ("/", "s3://"), "NIGHTCAP_INPUT": ("/", "s3://"), "NIGHTCAP_CAPTIONS": ("/",)}


@dataclass(frozen=True)
class Home:
    """Absolute folders and addresses of one installation.

    Attributes:
        root: `NIGHTCAP_HOME`; else `.nightcap` beside pyproject.toml; else `~/.nightcap`.
        store: `NIGHTCAP_STORE`, where stage outputs lie; default `root/store`.
        tracking_uri: `MLFLOW_TRACKING_URI`; default a SQLite file in `root`.
        roots: `NIGHTCAP_ROOTS`, folders and `s3://bucket/prefix` addresses with commas between them,
            under which nights may read and write beside `root`; default none.
        pushgateway: `NIGHTCAP_PUSHGATEWAY`, where nights push metrics; empty for nowhere.
        webhook: `NIGHTCAP_WEBHOOK`, where failed nights are told of; empty for nowhere. It may be a secret.
        external: `NIGHTCAP_FOREIGN_*`, what an external captioner may use.
        journal: `NIGHTCAP_PROMOTIONS`, a folder or `s3://bucket/prefix`; default empty, see `promotions`.
        mlflow_url: `NIGHTCAP_MLFLOW_URL`; default empty, see `mlflow_page`.
        images: `NIGHTCAP_INPUT`, a folder or `s3://bucket/prefix`; default empty, see `input`.
        table: `NIGHTCAP_CAPTIONS`, an absolute folder; default empty, see `captions`.
        promoted_only: `NIGHTCAP_PROMOTED_ONLY`, whether nights caption only with what has once been promoted.
    """

    root: Path
    store: Path
    tracking_uri: str
    roots: tuple[str, ...] = ()
    pushgateway: str = field(default="", repr=False)
    webhook: str = field(default="", repr=False)
    external: ExternalLimits = field(default_factory=ExternalLimits)
    journal: str = ""
    mlflow_url: str = field(default="", repr=False)
    images: str = ""
    table: str = ""
    promoted_only: bool = False

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> Home:
        """Read the environment.

        Raises:
            SettingsError: `NIGHTCAP_HOME`, a root, the journal or the input is relative, the store or the table is not a local
                folder, an address of a service is none, a limit is no number, or a switch neither true nor false.
        """
        root = Path(environ.get("NIGHTCAP_HOME") or _default_root())
        if not root.is_absolute():
            raise SettingsError(f"NIGHTCAP_HOME is {str(root)!r}, a relative path; set it to an absolute folder")
        store = environ.get("NIGHTCAP_STORE") or str(root / "store")
        if not Path(store).is_absolute():
            raise SettingsError(
                f"NIGHTCAP_STORE is {store!r}; set it to an absolute local folder (tables and outputs of stages need a file system)"
            )
        tracking_uri = environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{root / 'mlflow.db'}"
        roots, foreign = _roots(environ.get("NIGHTCAP_ROOTS", "")), ExternalLimits.from_environment(environ)
        pushgateway, webhook, page = (_address(name, environ.get(name, "")) for name in _SERVICES)
        places = (_place(name, environ.get(name, ""), kinds) for name, kinds in _PLACES.items())
        services = (pushgateway, webhook, foreign)
        journal, images, table = places
        promoted_only = _truth("NIGHTCAP_PROMOTED_ONLY", environ.get("NIGHTCAP_PROMOTED_ONLY", ""))
        return cls(root, Path(store), tracking_uri, roots, *services, journal, page, images, table, promoted_only)

    def reaching(self, *places: str | None) -> Home:
        """This home with more roots: what a user names on the command line is the user's own."""
        return replace(self, roots=(*self.roots, *(place for place in places if place)))

    @property
    def artifacts(self) -> Path:
        """Where MLflow's artifacts lie when no server decides otherwise."""
        return self.store / "mlflow"

    @property
    def mlflow_page(self) -> str:
        """Where people's browsers reach MLflow; empty without a server."""
        named = self.tracking_uri if self.tracking_uri.startswith("http") else ""
        return re.sub(r"//[^/]*@", "//", self.mlflow_url or named).rstrip("/")  # a browser asks for its own password

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
        """Where nights look for images unless told otherwise; the inbox if the environment names nothing."""
        return self.images or str(self.inbox)

    @property
    def captions(self) -> Path:
        """The default table of captions."""
        return Path(self.table) if self.table else self.store / "captions"


def _default_root() -> Path:
    checkout = Path(__file__).resolve().parents[2]
    return checkout / ".nightcap" if (checkout / "pyproject.toml").is_file() else Path.home() / ".nightcap"


def _roots(text: str) -> tuple[str, ...]:
    roots = tuple(root.strip() for root in text.split(",") if root.strip())
    for root in roots:
        if not root.startswith(("/", "s3://")):
            raise SettingsError(f"NIGHTCAP_ROOTS has {root!r}; use absolute folders and s3://bucket/prefix addresses")
    return roots


def _place(name: str, uri: str, kinds: tuple[str, ...]) -> str:
    if uri and not uri.startswith(kinds):
        allowed = "an absolute folder" + (" or s3://bucket/prefix" if "s3://" in kinds else "")
        raise SettingsError(f"{name} is {uri!r}; set it to {allowed}")
    return uri


def _truth(name: str, text: str) -> bool:
    if text not in ("", "true", "false"):
        raise SettingsError(f"{name} is {text!r}; set it to true or false")
    return text == "true"


def _address(name: str, url: str) -> str:
    if url and not url.startswith(("http://", "https://")):
        raise SettingsError(
            f"{name} is no address; set it to one that begins with http:// or https://, or leave it out"
        )
    return url
