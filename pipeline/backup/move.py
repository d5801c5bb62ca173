"""From the embedded default, which is one folder, to a stack with PostgreSQL, an object store and volumes.

Files first, the rows of MLflow's database last and in one transaction: before that the stack knows nothing of what was
moved, and a move that was stopped is begun again; what is there by then stays if it is the same.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pipeline.backup.bucket import Bucket
from pipeline.backup.folders import add_folder, files_of
from pipeline.backup.mlflow_rows import copy_rows, require_empty
from pipeline.errors import SettingsError
from pipeline.home import Home

DATABASE = "mlflow.db"
# Elsewhere in a stack, or computed again where it is missing.
_LEFT = ("captions", "captions_current", "features", "mlflow", "promotions", "unfinished")


@dataclass(frozen=True)
class Moved:
    """What a move took, or would take.

    Attributes:
        rows: of MLflow's database, by table.
        artifacts: files of MLflow's.
        promotions: entries of the journal.
        captions: files of the table of captions and its current one.
        others: files of the store: outputs, nights, corrections, what is forgotten.
    """

    rows: dict[str, int]
    artifacts: int
    promotions: int
    captions: int
    others: int


@dataclass(frozen=True)
class Move:
    """A move of one home into a stack.

    Attributes:
        source: the embedded home's folder; it is only read.
        home: of the stack.
        database: SQLAlchemy's address of the stack's MLflow database.
        artifacts: where the stack's MLflow keeps its artifacts, `s3://bucket`.
    """

    source: Path
    home: Home
    database: str
    artifacts: str

    def run(self, dry_run: bool = False) -> Moved:
        """Move it, unless it is only asked what would be.

        Raises:
            SettingsError: there is no such home, it is in use, or its database has another form than the stack's.
            TargetNotEmpty: the stack has runs or models of its own, or other files where these would be.
            ObjectUnavailable, RegistryUnavailable: a disk, the store or the database fails.
        """
        file = self.source / DATABASE
        if not file.is_file():
            raise SettingsError(
                f"{self.source} has no {DATABASE}, so it is no embedded Nightcap's home; name its folder"
            )
        with _unused(self.source):
            require_empty(self.database, file)
            counts = self._counted() if dry_run else self._files()
            rows = copy_rows(file, self.database, self.artifacts, dry_run)
        return Moved({name: count for name, count in rows.items() if count}, *counts)

    def _counted(self) -> tuple[int, int, int, int]:
        places = (self._store / "mlflow", self._store / "promotions", *self._tables)
        artifacts, promotions, *captions = (sum(1 for _ in files_of(place)) for place in places)
        return artifacts, promotions, sum(captions), sum(1 for _ in files_of(self._store, _LEFT))

    def _files(self) -> tuple[int, int, int, int]:
        current, history = self._tables
        captions = add_folder(history, self.home.captions)
        captions += add_folder(current, self.home.captions.with_name(f"{self.home.captions.name}_current"))
        others = add_folder(self._store, self.home.store, _LEFT)
        promotions = self._add(self._store / "promotions", self.home.promotions)
        return self._add(self._store / "mlflow", self.artifacts), promotions, captions, others

    def _add(self, folder: Path, place: str) -> int:
        return (
            Bucket(place).add(folder, files_of(folder)) if place.startswith("s3:") else add_folder(folder, Path(place))
        )

    @property
    def _store(self) -> Path:
        return self.source / "store"

    @property
    def _tables(self) -> tuple[Path, Path]:
        return self._store / "captions_current", self._store / "captions"


@contextmanager
def _unused(home: Path) -> Iterator[None]:
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
