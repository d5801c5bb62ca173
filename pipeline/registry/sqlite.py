"""MLflow's SQLite file, atomically."""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path
from typing import Any

SQLITE = "sqlite:///"


def create_database(uri: str, artifacts: Path) -> None:
    """Make the database behind a `sqlite:///` URI if there is none; other URIs are left alone.

    MLflow makes it in dozens of steps, each of its own, so a process that is stopped meanwhile would leave a file
    that no later one can use.

    Args:
        uri: MLflow's tracking URI.
        artifacts: where the experiment that every database has keeps its files.
    """
    path = Path(uri.removeprefix(SQLITE))
    if not uri.startswith(SQLITE) or path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as scratch:
        whole = Path(scratch) / path.name
        _make(f"{SQLITE}{whole}", artifacts)
        if not path.exists():
            whole.rename(path)


def _make(uri: str, artifacts: Path) -> None:
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    logging.getLogger("alembic").setLevel(logging.WARNING)
    store: Any = SqlAlchemyStore  # MLflow types only some of it
    store(uri, artifacts.as_uri()).engine.dispose()
