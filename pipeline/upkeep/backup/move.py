"""From the embedded default, which is one folder, to a stack with PostgreSQL, an object store and volumes.

Files come first, the rows of MLflow's database last and in one transaction. A stopped move is begun again: equal files
stay, and until the rows are there the stack knows none of them.
"""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pipeline.core.environment import Home
from pipeline.core.errors import SettingsError
from pipeline.upkeep.backup.bucket import Bucket
from pipeline.upkeep.backup.folders import add_folder, every_file, relative_files
from pipeline.upkeep.backup.mlflow_rows import copy_rows, require_fit

DATABASE = "mlflow.db"
# Elsewhere in a stack, or computed again where missing.
_LEFT = ("captions", "captions_current", "features", "mlflow", "promotions", "unfinished")


@dataclass(frozen=True)
class Moved:
    """Numbers of rows by MLflow's table, and of files that a move took, or would take."""

    rows: dict[str, int]
    artifacts: int
    promotions: int
    captions: int
    others: int


@dataclass(frozen=True)
class Move:
    """A move of one home into a stack."""

    source: Path  # the embedded home's folder; it is only read
    home: Home  # of the stack
    database: str  # SQLAlchemy's URL of the stack's MLflow database
    artifacts: str  # `s3://bucket` of the stack's MLflow

    def run(self, dry_run: bool = False) -> Moved:
        """Move it, or with `dry_run` only check and count; SettingsError for a home that cannot be moved."""
        file = self.source / DATABASE
        if not file.is_file():
            raise SettingsError(
                f"{self.source} has no {DATABASE}, so it is no embedded Nightcap's home; name its folder"
            )
        if self.home.store.resolve() == self._store.resolve():
            raise SettingsError(
                f"{self.source} is the home that it would move into; "
                "let NIGHTCAP_HOME and NIGHTCAP_STORE name those of the stack"
            )
        with _locked_unused(self.source):
            self._require_files(require_fit(file, self.database))
            counts = self._files(_counted if dry_run else _added)
            rows = copy_rows(file, self.database, self.artifacts, dry_run)
        return Moved({name: count for name, count in rows.items() if count}, *counts)

    def _require_files(self, names: Iterable[str]) -> None:
        """Raise SettingsError if files that the rows name are missing."""
        folder = self._store / "mlflow"
        lacking = next((name for name in names if not (folder / name).exists()), None)
        if lacking is not None:
            raise SettingsError(
                f"{self.source / DATABASE} has a version whose files are not at {folder / lacking}; if its store lies "
                f"elsewhere (NIGHTCAP_STORE, or a link to what is not mounted here), put it at {self._store}"
            )

    def _files(self, act: Callable[[Path, Iterator[str], str], int]) -> tuple[int, int, int, int]:
        store, captions = self._store, self.home.captions
        places = {"captions": captions, "captions_current": captions.with_name(f"{captions.name}_current")}
        tables = sum(act(store / name, relative_files(store / name), str(place)) for name, place in places.items())
        others = act(store, relative_files(store, _LEFT), str(self.home.store))
        promotions = act(store / "promotions", relative_files(store / "promotions"), self.home.promotions)
        # All of them: an external model may have any file names, and its digest covers each.
        artifacts = act(store / "mlflow", every_file(store / "mlflow"), self.artifacts)
        return artifacts, promotions, tables, others

    @property
    def _store(self) -> Path:
        return self.source / "store"


def _counted(_: Path, names: Iterator[str], __: str) -> int:
    return sum(1 for _ in names)


def _added(folder: Path, names: Iterator[str], place: str) -> int:
    return Bucket(place).add(folder, names) if place.startswith("s3:") else add_folder(folder, Path(place), names)


@contextmanager
def _locked_unused(home: Path) -> Iterator[None]:
    """Refuse a home that an Airflow of `make run` works in."""
    path = home / "airflow" / "lock"
    if not path.is_file():
        yield
        return
    with path.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError as error:
            raise SettingsError(f"an Airflow of Nightcap works in {home}; stop `make run` first") from error
        yield
